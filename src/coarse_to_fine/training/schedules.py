"""Learning-rate schedules: pure functions from a position in the run to a factor of the peak rate."""

from __future__ import annotations

import math

from coarse_to_fine.training.config import RunConfig


def linear_warmup(step: int, warmup_steps: int) -> float:
    """0 at step 0, rising to 1 at `warmup_steps`."""
    return min(1.0, step / warmup_steps) if warmup_steps > 0 else 1.0


def warmup_cosine(step: int, total_steps: int, warmup_steps: int) -> float:
    """Linear from 0 over the warm-up, then half a cosine from 1 to 0 at `total_steps` and after; the first step
    runs at 0.

    Source: the schedule of the T-MASS release (transformers' cosine schedule with warm-up).
    """
    if step < warmup_steps:
        return linear_warmup(step, warmup_steps)
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 0.5 * (1.0 + math.cos(math.pi * done))


def drops(epoch: int, every: int, factor: float) -> float:
    """`factor` to the number of drops so far: one after each `every` epochs (torch's StepLR)."""
    return float(factor ** (epoch // every))


def rate_factor(run: RunConfig, step: int, epoch: int, total_steps: int) -> float:
    """Factor of every group's peak rate at a step (counted from 0) of an epoch (counted from 0)."""
    warmup_steps = int(run.warmup * total_steps)
    if run.schedule == "warmup-cosine":
        return warmup_cosine(step, total_steps, warmup_steps)
    base = drops(epoch, run.step_epochs, run.step_factor) if run.schedule == "step" and run.step_epochs else 1.0
    return base * linear_warmup(step, warmup_steps)
