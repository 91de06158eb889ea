"""The experiment on the drawn world, through the command, with a handful of videos: whole, and killed three times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.evaluation.truth import read_truth
from tests.main_pipeline.test_experiment import report_files

pytestmark = pytest.mark.slow


def command(out: Path) -> list[str]:
    """`ctf run --config world` in the smallest setting; widths are those of the encoder that comes with the package."""
    tower = load_encoder("tiny-world")
    architecture = "fine.set.recipe.architecture"
    values = {
        "data.train": 3,
        "data.val": 2,
        "data.test": 2,
        "coarse.set.recipe.architecture.embed_dim": tower.embed_dim,
        "coarse.set.run.epochs": 1,
        f"{architecture}.video_feature_dims": [tower.embed_dim],
        f"{architecture}.text_feature_dim": tower.token_dim,
        f"{architecture}.hidden_dim": 32,
        f"{architecture}.feed_forward_dim": 32,
        "fine.set.recipe.aligned_to": "null",
        "fine.set.run.epochs": 1,
        "fine.set.run.max_steps": 3,
        "evaluation.resamples": 20,
        "workers": 1,
    }
    overrides = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "coarse_to_fine", "run", "--config", "world", "--out", str(out), *overrides, "--json"]


def run(out: Path) -> dict:
    done = subprocess.run(command(out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    run(out)
    return out


def test_the_world_goes_from_nothing_to_the_report(finished):
    truth = read_truth(finished / "data" / "queries.test.jsonl")
    report = json.loads((finished / "evaluate" / "report.fine.json").read_text())
    assert (report["queries"], report["videos"]) == (len(truth.queries), 2)
    captions = json.loads((finished / "evaluate" / "report.coarse.json").read_text())
    assert captions["queries"] == 4
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["config"]["data"] == {"kind": "world", "train": 3, "val": 2, "test": 2}
    assert all(step["seconds"] >= 0 for step in manifest["steps"].values())
    assert {one["state"] for one in run(finished)["steps"]} == {"up to date"}


def test_killed_three_times_the_world_ends_with_the_same_report(finished, tmp_path):
    """While rendering or drawing, while training, while searching, wherever the times fall on this machine."""
    seconds = sum(step["seconds"] for step in json.loads((finished / "manifest.json").read_text())["steps"].values())
    killed = 0
    for part in (0.3, 0.4, 0.4):
        process = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(3 + part * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    assert killed >= 1
    run(tmp_path)
    assert report_files(tmp_path) == report_files(finished)
