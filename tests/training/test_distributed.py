"""Two processes under torchrun (gloo) against one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from coarse_to_fine.config import load_config
from coarse_to_fine.training import RunConfig, fit
from coarse_to_fine.training.checkpoints import read_tensors
from tests.training.tasks import make

ROOT = Path(__file__).parents[2]
SETTINGS = "epochs=2 batch_size=8 learning_rate=1e-2 clip_norm=1.0 device=cpu"


def torchrun(*runs: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "-m", "tests.training.tasks", *runs],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


CASES = {
    "regression": "",  # 37 samples: the last batch has 5, so the processes get 3 and 2
    "frozen": "",
    "pairs": "",
    "frozen-pairs": "accumulate=2",
    "single": "",
}


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    done = torchrun(*(f"{name} {tmp_path / 'two' / name} {SETTINGS} {more}" for name, more in CASES.items()))
    assert done.returncode == 0, done.stderr
    assert "arning" not in done.stderr, done.stderr
    for name in CASES:
        one = tmp_path / "one" / name
        fit(make(name), load_config(RunConfig, None, SETTINGS.split()), one)
        expected, _ = read_tensors(one / "best.safetensors")
        found, _ = read_tensors(tmp_path / "two" / name / "best.safetensors")
        for key, tensor in expected.items():
            torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-5, msg=f"{name} {key}")
        for a, b in zip(lines(one), lines(tmp_path / "two" / name), strict=True):
            assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
            assert a["gradient_norm"] == pytest.approx(b["gradient_norm"], rel=1e-4)
            assert a["terms"] == pytest.approx(b["terms"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("failing", "error: the third step fails here"),
        ("failing-pairs", "error: the third step fails here"),
        ("bad", "error: step 2: the loss term square is nan"),
        ("failing-validation", "error: the validation fails here"),
    ],
)
def test_error_on_one_process_ends_all_with_one_message(tmp_path: Path, name: str, message: str) -> None:
    done = torchrun(f"{name} {tmp_path} {SETTINGS}")
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith(message)
    assert "Traceback" not in done.stderr.split("torch/distributed/")[0]


@pytest.mark.slow
def test_early_stop_ends_all_processes(tmp_path: Path) -> None:
    done = torchrun(f"regression {tmp_path} epochs=50 batch_size=8 learning_rate=0 select=error patience=2 device=cpu")
    assert done.returncode == 0, done.stderr
    ends = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert ends == [{"step": 15, "early": True}] * 2


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
