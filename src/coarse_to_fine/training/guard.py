"""What to say when a number of the training is not finite: the step, the term, the samples and their inputs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from coarse_to_fine.errors import CtfError, TrainingError
from coarse_to_fine.training.batches import PartPlan, prepare, to_device
from coarse_to_fine.training.seeds import seeded
from coarse_to_fine.training.task import Batch, ContrastiveTask, TrainingTask

SHOWN = 8


def bad_terms(values: Mapping[str, float]) -> list[str]:
    """`name is nan` or `name is inf` for every value that is not finite."""
    return [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]


def bad_gradients(model: nn.Module) -> list[str]:
    """Names of the parameters whose gradient is not finite."""
    return [
        name for name, p in model.named_parameters() if p.grad is not None and not bool(torch.isfinite(p.grad).all())
    ]


def bad_inputs(data: Any, name: str = "") -> Iterator[str]:
    """Names of the tensors in a nesting of dicts, lists, tuples and dataclasses that hold nan or inf."""
    if isinstance(data, Tensor):
        if data.is_floating_point() and not bool(torch.isfinite(data).all()):
            yield name or "data"
        return
    if isinstance(data, Mapping):
        items: list[tuple[str, Any]] = [(str(key), value) for key, value in data.items()]
    elif dataclasses.is_dataclass(data) and not isinstance(data, type):
        items = [(field.name, getattr(data, field.name)) for field in dataclasses.fields(data)]
    elif isinstance(data, list | tuple):
        items = [(str(index), value) for index, value in enumerate(data)]
    else:
        return
    for key, value in items:
        yield from bad_inputs(value, f"{name}.{key}" if name else key)


def not_finite(step: int, what: Sequence[str], samples: Sequence[str], causes: Sequence[str]) -> TrainingError:
    """The one line for the user."""
    found = f"; {'; '.join(causes[:SHOWN])}" if causes else ""
    return TrainingError(
        f"step {step}: {_some(what)} (samples {_some(samples)}{found}); expected finite numbers; correct or remove "
        "these samples or lower the learning rate, then start again: it goes on from the last good checkpoint if there "
        "is one"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def causes(task: TrainingTask, part: PartPlan, device: torch.device) -> list[str]:
    """The samples of a part that fail by themselves, each with its inputs that are not finite."""
    found = []
    for index in part.indices:
        alone = PartPlan((index,), part.seed, True)
        try:
            batch = prepare(task.data, alone)
        except (CtfError, RuntimeError, ValueError):  # some data cannot batch one sample; then all are named
            continue
        inputs = list(bad_inputs(batch.data))
        if inputs:
            found.append(f"sample {batch.sample_ids[0]}: input {', '.join(inputs)} is not finite")
        elif _fails_alone(task, batch, part.seed, device):
            found.append(f"sample {batch.sample_ids[0]} fails by itself")
    return found


def _fails_alone(task: TrainingTask, batch: Batch, seed: int, device: torch.device) -> bool:
    moved = dataclasses.replace(batch, data=to_device(batch.data, device))
    generator = torch.Generator().manual_seed(seed)
    try:
        with torch.no_grad(), seeded(seed, device):
            if isinstance(task, ContrastiveTask):
                return any(True for _ in bad_inputs(task.encode(moved, generator)))
            losses = task.losses(moved, generator)
    except (CtfError, RuntimeError, ValueError):
        return False
    return bool(bad_terms(scalars(losses.total, losses.terms)))


def scalars(total: Tensor, terms: Mapping[str, Tensor]) -> dict[str, float]:
    """All scalars of one part with one transfer from the device; the total under `loss`."""
    names = [*terms, "loss"]
    stacked = torch.stack([value.detach().float().reshape(()) for value in (*terms.values(), total)])
    return dict(zip(names, stacked.tolist()))
