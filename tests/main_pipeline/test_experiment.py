"""A whole experiment on small videos: from annotation files to the report, killed on the way, changed afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from coarse_to_fine.errors import DataError
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline.plan import plan
from coarse_to_fine.main_pipeline.run import run_experiment
from coarse_to_fine.main_pipeline.steps import steps_of
from coarse_to_fine.main_pipeline.steps.base import Work
from tests.main_pipeline.experiment_files import SPLITS, experiment, write_experiment

STEPS = ["data", "captions", "features", "coarse", "fine", "library", "fusion", "evaluate", "report"]
QUIET = Work(lambda done, total, what: None, lambda line: None)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_experiment(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    """The folder of an experiment that nothing disturbed."""
    root = tmp_path_factory.mktemp("undisturbed")
    torch.set_num_threads(1)  # as in the runs that it is compared with: the last bits depend on it
    made = run_experiment(experiment(files), root, QUIET)
    assert [one.step for one in made] == STEPS
    return root


def report_files(root: Path) -> dict[str, bytes]:
    paths = [*(root / "evaluate").iterdir(), *(root / "report").iterdir(), root / "fusion" / "fusion.json"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_every_step_leaves_what_it_promises(finished):
    values = json.loads((finished / "evaluate" / "report.fine.json").read_text())
    assert (values["queries"], values["videos"]) == (2 * SPLITS["test"], SPLITS["test"])
    assert 0 <= values["metrics"]["VCMR-R1@0.5"] <= 100
    text = (finished / "report" / "report.md").read_text()
    assert f"| VCMR-R1@0.5 | {values['metrics']['VCMR-R1@0.5']} |" in text
    assert "coarse queries of coarse.test.jsonl" in text
    assert "## Captions made from fine sentences" in text
    captions = (finished / "captions" / "train" / "coarse.train.jsonl").read_text().splitlines()
    assert len(captions) == SPLITS["train"]
    with Library.open(finished / "library" / "test.ctf", read_only=True) as library:
        assert [video.video_id for video in library.videos()] == ["video 6", "video 7"]


def written_captions(files, folder, rows):
    lines = [
        json.dumps({"caption_id": str(number), "video_id": f"video {number}", "text": text}) for number, text in rows
    ]
    folder.mkdir(exist_ok=True)
    (folder / "coarse.all.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("name", ["given", "given/coarse.all.jsonl"])
def test_given_captions_are_measured_by_all_sentences_where_nothing_is_held_out(files, tmp_path, name):
    rows = [(number, f"A ball moves, video {number}.") for number in range(sum(SPLITS.values()))]
    written_captions(files, tmp_path / "given", rows)
    config = experiment(files, captions={"file": str(tmp_path / name), "variants": 1})
    for step in ("data", "captions"):
        run_experiment(config, tmp_path / "run", QUIET, only=step)
    found = json.loads((tmp_path / "run" / "captions" / "quality.json").read_text())
    assert {split: one["against"] for split, one in found.items()} == dict.fromkeys(SPLITS, "all sentences")
    assert {split: one["quality"]["captions"] for split, one in found.items()} == SPLITS
    assert [one["quality"]["count_defect"] for one in found.values()] == [0, 0, 0]


def test_moments_are_no_captions(files, tmp_path):
    config = experiment(files, captions={"file": "small_test_release.jsonl"})
    run_experiment(config, tmp_path / "run", QUIET, only="data")
    with pytest.raises(DataError, match="holds moments with windows; expected captions of whole videos"):
        run_experiment(config, tmp_path / "run", QUIET, only="captions")


def test_the_manifest_says_what_made_it(finished, files):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert list(manifest["steps"]) == STEPS
    assert manifest["config"] == experiment(files).model_dump(mode="json")
    assert manifest["seeds"] == {"data": 0, "search": 0, "coarse": 24, "fine": 2018}
    assert manifest["versions"]["torch"] == torch.__version__
    assert "small_train_release.jsonl" in manifest["steps"]["data"]["inputs"]
    weights = manifest["steps"]["fine"]["outputs"]["model"]
    assert len(weights) == 64
    assert manifest["command"]


def test_again_it_does_nothing(finished, files):
    before = {
        path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file() and "lock" not in path.name
    }
    assert {one.state for one in run_experiment(experiment(files), finished, QUIET)} == {"up to date"}
    changed = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert changed <= {"manifest.json", "catalogue.sqlite", "catalogue.sqlite-shm", "catalogue.sqlite-wal"}


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"evaluation": {"queries": ["fine"], "resamples": 20}}, "evaluate"),
        ({"captions": {"variants": 1, "sentences": 3}}, "captions"),
        ({"name": "Other"}, "report"),
    ],
)
def test_a_changed_value_is_planned_from_its_step_on(finished, files, change, first):
    lines = plan(steps_of(experiment(files, **change), finished), finished)
    states = {line.step: line.state for line in lines}
    place = STEPS.index(first)
    assert [states[name] for name in STEPS[:place]] == ["up to date"] * place
    assert states[first] == states["report"] == "again"
    assert all(line.cost.seconds > 0 for line in lines if line.state == "again")


def dying(step: str, call: int):
    """Work that kills its process at the given progress of a step; 0: when the step has begun and done nothing."""
    current, calls = [""], [0]

    def progress(done, total, what):
        calls[0] += 1
        if current[0] == step and calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)

    def begin(name, state, reason):
        current[0], calls[0] = name, 0
        if name == step and call == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return Work(progress, lambda line: None), begin


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_killed_three_times_it_ends_with_the_same_report(files, finished, tmp_path):
    """In the middle of the features, before the fine stage is trained, and in the middle of the library."""
    torch.set_num_threads(1)
    for step, call in (("features", 3), ("fine", 0), ("library", 1)):
        child = os.fork()
        if child == 0:
            work, begin = dying(step, call)
            run_experiment(experiment(files), tmp_path, work, begin=begin)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), step
        assert not (tmp_path / "report").exists()
    run_experiment(experiment(files), tmp_path, QUIET)
    assert report_files(tmp_path) == report_files(finished)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_the_command_killed_at_any_moment_ends_with_the_same_report(files, finished, tmp_path):
    config = tmp_path / "small.yaml"
    config.write_text(experiment(files).model_dump_json())
    command = [sys.executable, "-m", "coarse_to_fine.main_pipeline", "--config", str(config), "--out", str(tmp_path)]
    for seconds in (5, 6, 8):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["report"].endswith("report.md")
    assert report_files(tmp_path) == report_files(finished)


@pytest.mark.slow
def test_both_stages_train_in_two_processes(files, tmp_path):
    config = tmp_path / "small.yaml"
    config.write_text(experiment(files).model_dump_json())
    launcher = "torchrun --standalone --nproc-per-node 2"
    command = [sys.executable, "-m", "coarse_to_fine", "run", "--config", str(config), "--out", str(tmp_path), "--json"]
    done = subprocess.run([*command, "--launcher", launcher], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for stage in ("coarse", "fine"):
        assert json.loads((tmp_path / stage / "run.json").read_text())["processes"] == 2
        assert json.loads((tmp_path / "manifest.json").read_text())["steps"][stage]["outputs"]["model"]
    assert [one["step"] for one in json.loads(done.stdout)["steps"]] == STEPS


@pytest.mark.slow
def test_a_ray_cluster_trains_both_stages_and_builds_the_library(files, finished, tmp_path):
    """A Ray of two workers on this machine; the library is that of a local run to the byte."""
    pytest.importorskip("ray", reason="needs the extra ray")
    config = tmp_path / "small.yaml"
    config.write_text(experiment(files, workers=2).model_dump_json())
    command = [sys.executable, "-m", "coarse_to_fine", "run", "--config", str(config), "--out", str(tmp_path), "--json"]
    done = subprocess.run([*command, "--launcher", "ray local 2"], capture_output=True, text=True, check=False)
    if "timed out" in done.stderr:
        pytest.skip("the machine is too busy to start Ray in time")
    assert done.returncode == 0, done.stderr
    for stage in ("coarse", "fine"):
        assert json.loads((tmp_path / stage / "run.json").read_text())["processes"] == 2
    here, there = (json.loads((root / "manifest.json").read_text())["steps"] for root in (finished, tmp_path))
    for step in ("captions", "features", "library"):
        assert here[step]["outputs"] == there[step]["outputs"]
    assert [one["step"] for one in json.loads(done.stdout)["steps"]] == STEPS
