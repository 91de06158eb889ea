"""Runs an experiment: each step that is not up to date, one after the other, with a record of what it was made of."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from coarse_to_fine.errors import ConfigError, UserError
from coarse_to_fine.main_pipeline.manifest import write_manifest
from coarse_to_fine.main_pipeline.plan import State, compare, made_of, state_of
from coarse_to_fine.main_pipeline.records import MadeOf, StepRecord, read_record, write_record
from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.main_pipeline.steps import steps_of
from coarse_to_fine.main_pipeline.steps.base import Step, Work
from coarse_to_fine.writer_lock import WriterLock

LOCK = "run.lock"
DISCARDED = ".discarded"

Begin = Callable[[str, State, str], None]
"""begin(step, state, reason): called before each step, also one that is up to date."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a step came out of a run: `up to date`, or the state that it was in before it was made."""

    step: str
    state: State
    seconds: float


def run_experiment(
    config: RunFile,
    root: Path,
    work: Work,
    *,
    only: str | None = None,
    any_code: bool = False,
    begin: Begin | None = None,
) -> list[Finished]:
    """Bring every step up to date, or one alone; a run that was killed is simply called again.

    Args:
        config: the experiment.
        root: its folder; one folder a step, and `state/` with their records.
        work: progress, notes and launcher for the steps.
        only: name of the one step that is run; those that it needs must be up to date.
        any_code: take results of another version of the code for current.
        begin: called before each step.

    Raises:
        UserError: an unknown step, or one whose needs are not up to date; whatever a step raises.
        LibraryError: another process runs this experiment.
    """
    steps = steps_of(config, root)
    for step in steps:  # a mistake in the last step's configuration shows before hours of the first
        step.settings()
        step.inputs()

    def complete() -> None:
        if only is None or all(state_of(step, root, any_code)[0] == "up to date" for step in steps):
            write_manifest(config, root, [step.name for step in steps])

    return run_steps(steps, root, work, only, any_code, begin, complete)


def run_steps(
    steps: Sequence[Step],
    root: Path,
    work: Work,
    only: str | None = None,
    any_code: bool = False,
    begin: Begin | None = None,
    complete: Callable[[], None] = lambda: None,
) -> list[Finished]:
    """`run_experiment` for steps in their order; `complete` is called at the end, while no other run can begin."""
    chosen = _chosen(steps, only)
    root.mkdir(parents=True, exist_ok=True)
    with WriterLock(root / LOCK):
        if only is not None:
            _require_needs(steps, chosen[0], root, any_code)
        finished = [_bring_up_to_date(step, root, work, any_code, begin) for step in chosen]
        complete()
        return finished


def _bring_up_to_date(step: Step, root: Path, work: Work, any_code: bool, begin: Begin | None) -> Finished:
    now, record = made_of(step, root), read_record(root, step.name)
    state, reason = compare(step, now, record, any_code)
    if begin is not None:
        begin(step.name, state, reason)
    if state == "up to date":
        return Finished(step.name, state, 0.0)
    started = time.perf_counter()
    if record is not None and state == "again" and not _keeps(step, now, record):
        _discard(step)
    write_record(root, step.name, StepRecord("begun", now))
    shutil.rmtree(_discarded(step), ignore_errors=True)
    step.run(work)
    seconds = time.perf_counter() - started
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_record(root, step.name, StepRecord("done", now, dict(step.outputs()), round(seconds, 3), when))
    return Finished(step.name, state, seconds)


def _keeps(step: Step, now: MadeOf, record: StepRecord) -> bool:
    """Whether a step goes on with what is in its folder: it sees for itself which of its input files are new."""
    same = not [word for word in now.differs(record.made_of) if not word.startswith(("file ", "result of "))]
    return step.incremental and same


def _discard(step: Step) -> None:
    """Take the folder away by one rename, so that a kill leaves the whole of it or none."""
    shutil.rmtree(_discarded(step), ignore_errors=True)
    if step.folder.exists():
        step.folder.replace(_discarded(step))


def _discarded(step: Step) -> Path:
    return step.folder.with_name(step.name + DISCARDED)


def _chosen(steps: Sequence[Step], only: str | None) -> list[Step]:
    if only is None:
        return list(steps)
    found = [step for step in steps if step.name == only]
    if not found:
        raise ConfigError(f"no step {only!r}; expected one of {', '.join(step.name for step in steps)}; correct --step")
    return found


def _require_needs(steps: Sequence[Step], step: Step, root: Path, any_code: bool) -> None:
    by_name = {each.name: each for each in steps}
    for name in step.needs:
        need = by_name[name]
        _require_needs(steps, need, root, any_code)
        state, reason = state_of(need, root, any_code)
        if state != "up to date":
            why = f" ({reason})" if reason else ""
            raise UserError(
                f"the step {step.name} needs {name}, whose state is {state}{why}; expected its result; run the step "
                f"{name} first, or all by leaving --step out"
            )
