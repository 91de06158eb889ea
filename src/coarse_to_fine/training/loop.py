"""The one training loop of the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.task import TrainingTask


@dataclass(frozen=True, slots=True)
class FitResult:
    """How a run ended; the task's model holds the best weights (the last ones where no metric selects).

    Attributes:
        best_metrics: validation metrics of the chosen checkpoint.
        best_step: optimiser step of the chosen checkpoint.
        steps: optimiser steps of the whole run.
        stopped_early: whether patience ended it.
        best_path, last_path: checkpoint files.
        metrics_path: JSON lines, one an evaluation.
    """

    best_metrics: dict[str, float]
    best_step: int
    steps: int
    stopped_early: bool
    best_path: Path
    last_path: Path
    metrics_path: Path


def fit(
    task: TrainingTask,
    run: RunConfig,
    out: Path,
    extra_config: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> FitResult:
    """Train `task.model`, or go on from the checkpoint in `out`.

    Args:
        task: what is trained.
        run: how.
        out: folder for checkpoints, metrics, the configuration and the loss curve.
        extra_config: saved beside the run's configuration (architecture, data); must be the same to continue.
        progress: show a bar with the time left on stderr.

    Raises:
        TrainingError: a loss or gradient is not finite, or the checkpoint in `out` is of another run.
    """
    raise NotImplementedError
