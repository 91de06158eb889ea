"""How pairs of different length are run together: sorted by length, in small batches, in eval mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from coarse_to_fine.arguments import require_positive
from coarse_to_fine.modes import undisturbed

Item = TypeVar("Item")
Result = TypeVar("Result")

POOL = 8
"""Batches among which random batches choose what is of similar length."""


def batches_by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Indices in batches of at most `batch_size`, neighbours of similar length together."""
    require_positive(batch_size=batch_size)
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def run_by_length(
    items: Sequence[Item], lengths: Sequence[int], batch_size: int, run: Callable[[list[Item]], list[Result]]
) -> list[Result]:
    """One result for each item, in their order, computed in `batches_by_length`."""
    results: dict[int, Result] = {}
    for batch in batches_by_length(lengths, batch_size):
        results.update(zip(batch, run([items[index] for index in batch]), strict=True))
    return [results[index] for index in range(len(items))]


def random_batches_by_length(lengths: Sequence[int], batch_size: int, generator: torch.Generator) -> list[list[int]]:
    """Every index once in random batches, those of similar length together, so that little is padded.

    The shuffled indices are cut into pools of POOL batches; each pool is sorted by length, and the order of all
    batches is shuffled.
    """
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    batches = []
    for start in range(0, len(shuffled), POOL * batch_size):
        part = sorted(shuffled[start : start + POOL * batch_size], key=lambda index: lengths[index])
        batches += [part[first : first + batch_size] for first in range(0, len(part), batch_size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; the mode of before comes back."""
    training = model.training
    model.eval()
    try:
        with undisturbed():
            yield
    finally:
        model.train(training)
