"""Steps are run in order, skipped when up to date, made again when what they are made of changes."""

from __future__ import annotations

import json
import os
import signal

import pytest

from coarse_to_fine.errors import ConfigError, LibraryError, UserError
from coarse_to_fine.main_pipeline import plan as planning
from coarse_to_fine.main_pipeline import run
from coarse_to_fine.main_pipeline.fingerprints import files_digest
from coarse_to_fine.main_pipeline.plan import plan
from coarse_to_fine.main_pipeline.records import read_record
from coarse_to_fine.main_pipeline.run import run_steps
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.writer_lock import WriterLock

QUIET = Work(lambda done, total, what: None, lambda line: None)


class Writes(Step):
    """Writes one file from its setting, its input file and the results of its needs; counts its calls."""

    def __init__(self, root, name, setting=0, needs=(), source=None, incremental=False, die_after=None):
        self.root, self.setting, self.source, self.die_after = root, setting, source, die_after
        self.name, self._needs, self._incremental = name, tuple(needs), incremental
        self.calls = 0

    @property
    def needs(self):
        return self._needs

    @property
    def incremental(self):
        return self._incremental

    def settings(self):
        return {"setting": self.setting}

    def inputs(self):
        return {"source": files_digest([self.source], self.source.parent)} if self.source else {}

    def run(self, work):
        self.calls += 1
        self.folder.mkdir(exist_ok=True)
        for part in range(3):
            path = self.folder / f"part{part}"
            if not path.exists():
                path.write_text(f"{self.setting} by call {self.calls}")
            if part == self.die_after:
                os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / "result").write_text(f"{self.setting} {self.source.read_text() if self.source else ''}")

    def outputs(self):
        return {"result": files_digest([self.folder / "result"], self.folder)}

    def cost(self):
        return Cost(10.0, 100.0)


@pytest.fixture
def chain(tmp_path):
    """Three steps in a row, and one beside them."""

    def build(**settings):
        return [
            Writes(tmp_path, "a", settings.get("a", 0), source=settings.get("source")),
            Writes(tmp_path, "b", settings.get("b", 0), needs=["a"]),
            Writes(tmp_path, "c", settings.get("c", 0), needs=["b"]),
            Writes(tmp_path, "d", settings.get("d", 0)),
        ]

    return build


def states(steps, root, **options):
    return [line.state for line in plan(steps, root, **options)]


def test_a_second_run_does_nothing(chain, tmp_path):
    run_steps(chain(), tmp_path, QUIET)
    again = chain()
    assert [one.state for one in run_steps(again, tmp_path, QUIET)] == ["up to date"] * 4
    assert [step.calls for step in again] == [0, 0, 0, 0]


def test_a_changed_setting_makes_its_step_and_what_follows_again(chain, tmp_path):
    run_steps(chain(), tmp_path, QUIET)
    changed = chain(b=1)
    assert states(changed, tmp_path) == ["up to date", "again", "again", "up to date"]
    run_steps(changed, tmp_path, QUIET)
    assert [step.calls for step in changed] == [0, 1, 1, 0]
    assert (tmp_path / "b" / "part0").read_text() == "1 by call 1"  # nothing of the old folder is left


def test_the_same_result_of_a_need_leaves_what_follows_alone(chain, tmp_path):
    run_steps(chain(), tmp_path, QUIET)
    (tmp_path / "a" / "result").unlink()
    again = chain()
    run_steps(again, tmp_path, QUIET)
    assert [step.calls for step in again] == [1, 0, 0, 0]


def test_a_changed_input_file_is_seen(chain, tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("one")
    run_steps(chain(source=source), tmp_path, QUIET)
    source.write_text("two")
    again = chain(source=source)
    assert plan(again, tmp_path)[0].reason == "changed: file source"
    run_steps(again, tmp_path, QUIET)
    assert [step.calls for step in again] == [1, 1, 0, 0]  # b's result is the same as before, so c stays


def test_a_result_that_was_touched_is_made_again(chain, tmp_path):
    run_steps(chain(), tmp_path, QUIET)
    (tmp_path / "c" / "result").write_text("by hand")
    assert plan(chain(), tmp_path)[2].reason == "its files are missing or were changed"


def test_other_code_makes_all_again_unless_it_is_accepted(chain, tmp_path, monkeypatch):
    run_steps(chain(), tmp_path, QUIET)
    monkeypatch.setattr(planning, "code_digest", lambda module: "other")
    lines = plan(chain(), tmp_path)
    assert [line.state for line in lines] == ["again", "again", "again", "again"]
    assert lines[0].reason == "changed: code"
    assert states(chain(), tmp_path, any_code=True) == ["up to date"] * 4


def test_an_incremental_step_keeps_its_folder_when_only_files_changed(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("one")
    for setting, text, first in ((0, "one", "0 by call 1"), (0, "two", "0 by call 1"), (1, "two", "1 by call 1")):
        source.write_text(text)
        run_steps([Writes(tmp_path, "a", setting, source=source, incremental=True)], tmp_path, QUIET)
        assert (tmp_path / "a" / "part0").read_text() == first
        assert (tmp_path / "a" / "result").read_text() == f"{setting} {text}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_killed_step_goes_on_with_what_is_in_its_folder(tmp_path):
    child = os.fork()
    if child == 0:
        run_steps([Writes(tmp_path, "a", die_after=1)], tmp_path, QUIET)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    (tmp_path / "a" / "part0").write_text("kept")
    assert states([Writes(tmp_path, "a")], tmp_path) == ["resume"]
    assert states([Writes(tmp_path, "a", 1)], tmp_path) == ["again"]
    run_steps([Writes(tmp_path, "a")], tmp_path, QUIET)
    assert (tmp_path / "a" / "part0").read_text() == "kept"
    assert read_record(tmp_path, "a").status == "done"


def test_one_step_runs_alone_and_says_what_it_needs(chain, tmp_path):
    with pytest.raises(UserError, match=r"the step b needs a, whose state is new; .*run the step a first"):
        run_steps(chain(), tmp_path, QUIET, only="b")
    run_steps(chain(), tmp_path, QUIET, only="a")
    steps = chain()
    assert [one.step for one in run_steps(steps, tmp_path, QUIET, only="b")] == ["b"]
    assert [step.calls for step in steps] == [0, 1, 0, 0]
    with pytest.raises(ConfigError, match=r"no step 'x'; expected one of a, b, c, d"):
        run_steps(chain(), tmp_path, QUIET, only="x")


def test_a_plan_writes_nothing_and_counts_what_is_left(chain, tmp_path):
    lines = plan(chain(), tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert [line.state for line in lines] == ["new"] * 4
    assert lines[2].reason == "after b"
    left = planning.total(lines)
    assert (left.seconds, left.bytes) == (40.0, 400.0)
    run_steps(chain(), tmp_path, QUIET, only="a")
    assert planning.total(plan(chain(), tmp_path)).seconds == 30.0


def test_two_runs_of_one_folder_do_not_meet(chain, tmp_path):
    with WriterLock(tmp_path / "run.lock"), pytest.raises(LibraryError):
        run_steps(chain(), tmp_path, QUIET)


def test_no_other_run_begins_before_the_manifest_is_written(chain, tmp_path, monkeypatch):
    written = []

    def write(config, root, steps):
        with pytest.raises(LibraryError), WriterLock(root / "run.lock"):
            pass
        written.append(steps)

    monkeypatch.setattr(run, "write_manifest", write)
    monkeypatch.setattr(run, "steps_of", lambda config, root: chain())
    run.run_experiment(None, tmp_path, QUIET)
    assert written == [["a", "b", "c", "d"]]


def test_a_record_that_cannot_be_read_is_no_record(chain, tmp_path):
    run_steps(chain(), tmp_path, QUIET)
    path = tmp_path / "state" / "a.json"
    assert json.loads(path.read_text())["made_of"]["settings"] == {"setting": 0}
    path.write_text("{")
    assert states(chain(), tmp_path)[0] == "new"
