"""What the loop needs from whoever trains something: samples, a model, its losses and its validation metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Batch:
    """One part of an optimiser step.

    Attributes:
        data: tensors in any nesting of dicts, lists, tuples and dataclasses, on the CPU; the loop moves them.
        sample_ids: one name a sample, for messages.
        counts: what the losses are divided by, for instance {"pairs": 17}. If a step is cut into parts (accumulation,
            processes), the loop replaces each count by its mean over the parts; so losses written as
            `sum / batch.counts["pairs"]` give the gradients of the whole step. "samples" is always there.
    """

    data: Any
    sample_ids: Sequence[str]
    counts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", {"samples": float(len(self.sample_ids)), **self.counts})


@dataclass(frozen=True, slots=True)
class Losses:
    """The scalar to minimise, and the scalars that it is made of (for the log and for messages)."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


class TrainingData(ABC):
    """The training samples. With `workers` it is sent to other processes: open files lazily, hold no model."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        """Collate these samples; everything random comes from the generator (CPU)."""

    def order(self, batch_size: int, generator: torch.Generator) -> list[list[int]]:
        """The batches of one epoch as sample indices; override it for batches of groups or of distinct videos.

        Their number may differ a little between epochs; schedules count with that of the first one.
        """
        shuffled = torch.randperm(len(self), generator=generator).tolist()
        return [shuffled[start : start + batch_size] for start in range(0, len(shuffled), batch_size)]


class TrainingTask(ABC):
    """A model with its samples, losses and validation metrics.

    The loop puts the model on its device and in training mode, calls `losses` for each part of a step, and `validate`
    in evaluation mode without gradients. `torch`'s global generator is seeded for each part, so layers such as
    `nn.Dropout` are reproducible too.

    Attributes:
        model: all parameters to train; those with `requires_grad` False stay as they are.
        data: the training samples.
        metric_names: all that `validate` can give, so that a wrong `select` is refused before the first step; None: not
            known before.
    """

    model: nn.Module
    data: TrainingData
    metric_names: Collection[str] | None = None

    @abstractmethod
    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Losses of one part, its data on the model's device; the generator is on the CPU."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Metrics on the validation split; an empty dict if there is none."""

    def after_step(self) -> None:  # noqa: B027
        """Called after each optimiser step, for instance to clamp a temperature."""


class ContrastiveTask(TrainingTask):
    """A task whose loss compares each sample of a step with all others of that step.

    The loop encodes part by part and calls `contrast` on the rows of the whole step, so the result depends neither on
    the number of processes nor on `accumulate`.
    """

    @abstractmethod
    def encode(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Rows of one part: each tensor has the samples as first axis and equal other axes in all parts."""

    @abstractmethod
    def contrast(self, rows: dict[str, Tensor], generator: torch.Generator) -> Losses:
        """Losses from the rows of the whole step, in the order of its samples."""

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        return self.contrast(self.encode(batch, generator), generator)
