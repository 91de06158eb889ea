"""Runs that kill themselves, or wait to be killed; loaded once by the server that forks them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import torch
import torch._dynamo  # optimisers load it at their first step, which would cost each process a second

from coarse_to_fine.training import Losses, RunConfig, fit
from coarse_to_fine.training.records import MetricsLog
from tests.training.tasks import Points, Regression

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

    def __init__(
        self, die_at: int | None = None, delay: float = 0.0, signal_at: tuple[int, signal.Signals] | None = None
    ) -> None:
        super().__init__(Points(40, noise=0.1), dropout=0.3)
        self.die_at, self.delay, self.signal_at, self.calls = die_at, delay, signal_at, 0

    def losses(self, batch, generator) -> Losses:
        self.calls += 1
        if self.calls == self.die_at:
            die()
        if self.signal_at is not None and self.calls == self.signal_at[0]:
            os.kill(os.getpid(), self.signal_at[1])
        time.sleep(self.delay)
        noise = torch.randn((), generator=generator)
        losses = super().losses(batch, generator)
        return Losses(losses.total * (1 + 0.1 * noise), losses.terms)


def run_until_killed_in_step(out: Path, call: int) -> None:
    torch.set_num_threads(1)
    fit(Slow(die_at=call), RUN, out)


def run_until_killed_while_writing(out: Path, count: int, before_rename: bool) -> None:
    """Killed at the count-th rename: with half the new file written, or just after it took its name."""
    torch.set_num_threads(1)
    plain, renamed = Path.replace, 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal renamed
        renamed += 1
        if renamed == count and before_rename:
            os.truncate(self, self.stat().st_size // 2)
            die()
        result = plain(self, target)
        if renamed == count:
            die()
        return result

    Path.replace = replace
    fit(Slow(), RUN, out)


def run_until_killed_after_the_line(out: Path, count: int) -> None:
    """Killed between the line of an epoch and the checkpoint that knows of it."""
    torch.set_num_threads(1)
    plain, written = MetricsLog.append, 0

    def append(self: MetricsLog, line: dict) -> None:
        nonlocal written
        plain(self, line)
        written += 1
        if written == count:
            die()

    MetricsLog.append = append
    fit(Slow(), RUN, out)


def run_until_signalled(out: Path, number: signal.Signals, call: int) -> None:
    """Exit code 7 after the KeyboardInterrupt that a signal in the given call becomes."""
    torch.set_num_threads(1)
    run = RUN.model_copy(update={"checkpoint_every_steps": None})
    try:
        fit(Slow(signal_at=(call, number)), run, out)
    except KeyboardInterrupt:
        os._exit(7)


def run_slowly(out: Path) -> None:
    torch.set_num_threads(1)
    fit(Slow(delay=0.01), RUN, out)
