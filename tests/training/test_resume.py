"""Runs that are killed with SIGKILL and started again end with the very weights of a run that was not."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from coarse_to_fine.training import fit
from coarse_to_fine.training.checkpoints import read_tensors
from tests.training.killed_runs import (
    RUN,
    Slow,
    run_slowly,
    run_until_killed_after_the_line,
    run_until_killed_in_step,
    run_until_killed_while_writing,
    run_until_signalled,
)
from tests.training.tasks import make

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and forkserver are POSIX")


@pytest.fixture(scope="module")
def start() -> Callable[..., multiprocessing.Process]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.killed_runs"])

    def begin(target: Callable[..., None], *arguments: object) -> multiprocessing.Process:
        process = context.Process(target=target, args=arguments)
        process.start()
        return process

    return begin


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], list[dict]]:
    out, task = tmp_path_factory.mktemp("straight"), Slow()
    fit(task, RUN, out)
    return task.model.state_dict(), without_time(out)


def without_time(out: Path) -> list[dict]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def check_continued(out: Path, straight: tuple[dict[str, torch.Tensor], list[dict]]) -> None:
    task = Slow()
    fit(task, RUN, out)
    expected, lines = straight
    for name, tensor in task.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert without_time(out) == lines
    assert not list(out.glob(".unfinished-*"))


@pytest.mark.parametrize("call", [1, 4, 12])
def test_killed_in_a_step(tmp_path: Path, start, straight, call: int) -> None:
    process = start(run_until_killed_in_step, tmp_path, call)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    check_continued(tmp_path, straight)


@pytest.mark.parametrize("before_rename", [True, False])
@pytest.mark.parametrize("count", [3, 6, 12])
def test_killed_while_writing(tmp_path: Path, start, straight, count: int, before_rename: bool) -> None:
    process = start(run_until_killed_while_writing, tmp_path, count, before_rename)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    check_continued(tmp_path, straight)


@pytest.mark.parametrize("count", [1, 3])
def test_killed_between_the_line_and_the_checkpoint(tmp_path: Path, start, straight, count: int) -> None:
    process = start(run_until_killed_after_the_line, tmp_path, count)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(without_time(tmp_path)) == count
    check_continued(tmp_path, straight)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_goes_on_from_the_very_step(
    tmp_path: Path, start, straight, number: signal.Signals
) -> None:
    process = start(run_until_signalled, tmp_path, number, 8)
    process.join()
    assert process.exitcode == 7
    _, state = read_tensors(tmp_path / "last.safetensors")
    assert state["position"]["step"] == 8
    check_continued(tmp_path, straight)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_again_and_again(tmp_path: Path, start, straight, seed: int) -> None:
    moments, kills = random.Random(seed), 0
    while True:
        process = start(run_slowly, tmp_path)
        process.join(timeout=moments.uniform(0.05, 0.6))
        if process.exitcode == 0:
            break
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        if kills > 25:  # slow machine: let it end
            process = start(run_slowly, tmp_path)
            process.join()
            break
    assert kills > 0
    check_continued(tmp_path, straight)


def test_kill_is_noticed_by_the_comparison(tmp_path: Path, straight) -> None:
    # The comparison can fail: another seed gives other weights.
    task = make("dropout")
    fit(task, RUN.model_copy(update={"seed": 1}), tmp_path)
    assert any(not torch.equal(tensor, straight[0][name]) for name, tensor in task.model.state_dict().items())
