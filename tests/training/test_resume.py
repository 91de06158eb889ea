"""Runs that are killed with SIGKILL and started again end with the very weights of a run that was not."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from coarse_to_fine.training import Losses, RunConfig, checkpoints, fit, loop
from tests.training.tasks import Points, Regression, make

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and forkserver are POSIX")

RUN = RunConfig(
    epochs=5,
    batch_size=8,
    learning_rate=1e-2,
    clip_norm=1.0,
    schedule="warmup-cosine",
    warmup=0.2,
    optimizer="adam-decoupled",
    select="error",
    select_mode="min",
    checkpoint_every_steps=2,
    device="cpu",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Slow(Regression):
    """Dropout, noisy batches, and steps long enough to be killed in."""

    def __init__(self, die_at: int | None = None, delay: float = 0.0) -> None:
        super().__init__(Points(40, noise=0.1), dropout=0.3)
        self.die_at, self.delay, self.calls = die_at, delay, 0

    def losses(self, batch, generator) -> Losses:
        self.calls += 1
        if self.calls == self.die_at:
            die()
        time.sleep(self.delay)
        noise = torch.randn((), generator=generator)
        losses = super().losses(batch, generator)
        return Losses(losses.total * (1 + 0.1 * noise), losses.terms)


def run_until_killed_in_step(out: Path, call: int) -> None:
    torch.set_num_threads(1)
    fit(Slow(die_at=call), RUN, out)


def run_until_killed_while_writing(out: Path, count: int, before_rename: bool) -> None:
    """Killed in the count-th atomic write: with half the file written, or just after it was renamed."""
    torch.set_num_threads(1)
    plain, written = checkpoints.write_atomically, 0

    def write(path: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written == count and before_rename:
            path.with_name(f".{path.name}.{os.getpid()}.part").write_bytes(content[: len(content) // 2])
            die()
        plain(path, content)
        if written == count:
            die()

    checkpoints.write_atomically = write
    fit(Slow(), RUN, out)


def run_until_killed_after_the_line(out: Path, count: int) -> None:
    """Killed between the line of an epoch and the checkpoint that knows of it."""
    torch.set_num_threads(1)
    plain, written = loop.MetricsLog.append, 0

    def append(self: loop.MetricsLog, line: dict) -> None:
        nonlocal written
        plain(self, line)
        written += 1
        if written == count:
            die()

    loop.MetricsLog.append = append
    fit(Slow(), RUN, out)


def run_slowly(out: Path) -> None:
    torch.set_num_threads(1)
    fit(Slow(delay=0.01), RUN, out)


@pytest.fixture(scope="module")
def start() -> Callable[..., multiprocessing.Process]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.tasks"])

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
    assert not list(out.glob(".*.part"))


@pytest.mark.parametrize("call", [1, 4, 12, 20])
def test_killed_in_a_step(tmp_path: Path, start, straight, call: int) -> None:
    process = start(run_until_killed_in_step, tmp_path, call)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    check_continued(tmp_path, straight)


@pytest.mark.parametrize("before_rename", [True, False])
@pytest.mark.parametrize("count", [3, 5, 6, 12])
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_again_and_again(tmp_path: Path, start, straight, seed: int) -> None:
    moments, kills = random.Random(seed), 0
    while True:
        process = start(run_slowly, tmp_path)
        process.join(timeout=0.05 + moments.uniform(0, 0.25))
        if process.exitcode == 0:
            break
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        if kills > 40:  # slow machine: let it end
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
