"""Which steps are up to date, which would run, why, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coarse_to_fine.main_pipeline.fingerprints import code_digest
from coarse_to_fine.main_pipeline.records import MadeOf, StepRecord, read_record
from coarse_to_fine.main_pipeline.steps.base import Cost, Step
from coarse_to_fine.wording import first_of

State = Literal["up to date", "new", "resume", "again"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One line of a plan.

    Attributes:
        step: its name.
        state: `up to date`: nothing to do; `new`: never begun; `resume`: goes on where it was stopped; `again`: its
            result is of something else.
        reason: why, in words; empty where the state says it.
        cost: what is left to do, estimated; nothing where it is up to date.
    """

    step: str
    state: State
    reason: str
    cost: Cost


def made_of(step: Step, root: Path) -> MadeOf:
    """What a step would be made of now; results of earlier steps as their records say."""
    records = {name: read_record(root, name) for name in step.needs}
    needs = {name: dict(record.outputs) if record else {} for name, record in records.items()}
    return MadeOf(dict(step.settings()), dict(step.inputs()), needs, code_digest(type(step).__module__))


def state_of(step: Step, root: Path, any_code: bool = False) -> tuple[State, str]:
    """State of a step whose needs are up to date, and why."""
    return compare(step, made_of(step, root), read_record(root, step.name), any_code)


def compare(step: Step, now: MadeOf, record: StepRecord | None, any_code: bool = False) -> tuple[State, str]:
    """State of a step by its record, and why."""
    if record is None:
        return "new", ""
    differing = now.differs(record.made_of, any_code)
    if differing:
        return "again", f"changed: {first_of(differing, 4)}"
    if record.status == "begun":
        return "resume", ""
    if dict(step.outputs()) != dict(record.outputs):
        return "again", "its files are missing or were changed"
    return "up to date", ""


def plan(steps: Sequence[Step], root: Path, any_code: bool = False) -> list[PlannedStep]:
    """Every step with its state; writes nothing.

    Args:
        steps: in the order in which they run.
        root: folder of the experiment.
        any_code: take results of another version of the code for current.

    Raises:
        UserError: a setting or a file of a step is wrong; nothing needs to run to find that.
    """
    states: dict[str, State] = {}
    lines = []
    for step in steps:
        waits = [name for name in step.needs if states[name] != "up to date"]
        state, reason = state_of(step, root, any_code) if not waits else _waiting(step, root, waits)
        states[step.name] = state
        cost = Cost(0.0) if state == "up to date" else step.cost()
        lines.append(PlannedStep(step.name, state, reason, cost))
    return lines


def _waiting(step: Step, root: Path, waits: Sequence[str]) -> tuple[State, str]:
    """Of a step whose needs will be made first; its own settings are read all the same, so that they are checked."""
    step.settings()
    step.inputs()
    there = read_record(root, step.name) is not None
    return ("again" if there else "new"), f"after {', '.join(waits)}"


def total(lines: Sequence[PlannedStep]) -> Cost:
    """All that is left to do."""
    return Cost(sum(line.cost.seconds for line in lines), sum(line.cost.bytes for line in lines))


def as_json(lines: Sequence[PlannedStep], about: Mapping[str, object]) -> dict[str, object]:
    """The public JSON form of a plan."""
    left = total(lines)
    rows = [
        {
            "step": line.step,
            "state": line.state,
            "reason": line.reason,
            "seconds": round(line.cost.seconds),
            "bytes": round(line.cost.bytes),
        }
        for line in lines
    ]
    return {**about, "steps": rows, "seconds": round(left.seconds), "bytes": round(left.bytes)}
