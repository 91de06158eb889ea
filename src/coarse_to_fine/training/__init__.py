"""The training loop, optimisers, schedules, checkpoints; names no model.

A trainer writes a `TrainingData` and a `TrainingTask` and calls `fit(task, run_config, out)`.
"""

from coarse_to_fine.training.config import ParameterGroup, RunConfig
from coarse_to_fine.training.loop import FitResult, fit
from coarse_to_fine.training.task import Batch, ContrastiveTask, Losses, TrainingData, TrainingTask

__all__ = [
    "Batch",
    "ContrastiveTask",
    "FitResult",
    "Losses",
    "ParameterGroup",
    "RunConfig",
    "TrainingData",
    "TrainingTask",
    "fit",
]
