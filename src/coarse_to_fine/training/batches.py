"""Which samples each step sees, cut into parts, and the batches prepared from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from coarse_to_fine.errors import CtfError, DataError
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.seeds import derive_seed, generator_for
from coarse_to_fine.training.task import Batch, TrainingData


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Samples of one part of a step.

    Attributes:
        indices: never empty; a process without samples of its own takes the first one of the step.
        seed: of this part; the same for the batch and for the layers.
        counted: False for a part that only keeps its process in step: its losses weigh nothing.
    """

    indices: tuple[int, ...]
    seed: int
    counted: bool


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One optimiser step of this process.

    Attributes:
        epoch, index: the epoch and the number of the batch in it, from 0.
        batches: number of batches of the epoch.
        seed: the same on all processes.
        divisor: number of parts of the step that count, all processes together.
        parts: what this process computes, one after the other.
    """

    epoch: int
    index: int
    batches: int
    seed: int
    divisor: int
    parts: tuple[PartPlan, ...]


def epoch_order(data: TrainingData, run: RunConfig, epoch: int) -> list[list[int]]:
    """The batches of an epoch as sample indices.

    Raises:
        DataError: there is no batch.
    """
    order = [batch for batch in data.order(run.batch_size, generator_for(run.seed, "order", epoch)) if batch]
    if run.drop_last and order and len(order[-1]) < run.batch_size:
        order = order[:-1]
    if not order:
        raise DataError(
            f"{len(data)} training samples give no batch of {run.batch_size}; expected at least one batch an epoch; "
            "add samples, lower batch_size or set drop_last to false"
        )
    return order


def plan_steps(
    data: TrainingData, run: RunConfig, rank: int, processes: int, epoch: int, index: int
) -> Iterator[StepPlan]:
    """The steps from a position (epoch, index of the batch in it) to the end of the last epoch."""
    for current in range(epoch, run.epochs):
        order = epoch_order(data, run, current)
        for number in range(index if current == epoch else 0, len(order)):
            chunks = split(order[number], processes * run.accumulate)
            first = rank * run.accumulate
            parts = tuple(
                PartPlan(
                    indices=tuple(chunks[part] or order[number][:1]),
                    seed=derive_seed(run.seed, "part", current, number, part),
                    counted=bool(chunks[part]),
                )
                for part in range(first, first + run.accumulate)
            )
            parts = tuple(part for part in parts if part.counted) or parts[:1]
            seed = derive_seed(run.seed, "step", current, number)
            yield StepPlan(current, number, len(order), seed, sum(map(bool, chunks)), parts)


def split(indices: Sequence[int], parts: int) -> list[Sequence[int]]:
    """Consecutive chunks whose sizes differ by one at most, the longer ones first; some are empty if need be."""
    size, longer = divmod(len(indices), parts)
    bounds = [part * size + min(part, longer) for part in range(parts + 1)]
    return [indices[start:end] for start, end in pairwise(bounds)]


def prepared_parts(data: TrainingData, run: RunConfig, plans: Iterator[StepPlan]) -> Iterator[Batch]:
    """The batch of every part of the plans, in order; the same with any number of workers."""
    parts = (part for plan in plans for part in plan.parts)
    source = _Source(data)
    if run.workers == 0:
        yield from (_checked(source[part]) for part in parts)
        return
    context = None if run.worker_start == "auto" else run.worker_start
    loader = DataLoader(
        source,
        batch_size=None,
        sampler=parts,
        num_workers=run.workers,
        multiprocessing_context=context,
        generator=torch.Generator().manual_seed(0),
    )
    yield from (_checked(item) for item in loader)


def prepare(data: TrainingData, part: PartPlan) -> Batch:
    """The batch of one part."""
    return data.batch(part.indices, generator_for(part.seed, "batch"))


def to_device(value: Any, device: torch.device) -> Any:
    """The same nesting of dicts, lists, tuples and dataclasses with its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(to_device(item, device) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: to_device(getattr(value, f.name), device) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **changes)
    return value


class _Source(Dataset["Batch | CtfError"]):
    """Batches by their plan. Errors of the package come back as values: a worker would wrap them in its traceback."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data

    def __getitem__(self, part: PartPlan) -> Batch | CtfError:
        try:
            return prepare(self._data, part)
        except CtfError as error:
            return error


def _checked(item: Batch | CtfError) -> Batch:
    if isinstance(item, CtfError):
        raise item
    return item
