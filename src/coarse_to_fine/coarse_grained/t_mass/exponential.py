"""Powers of e or of 2, whichever this machine computes faster: one takes from a third to three times of the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from coarse_to_fine.cores import cores_for

TIMED_FLOATS = 2**15
TIMED_RUNS = 9
"""The fastest run counts."""


class Exponential(NamedTuple):
    """e^x as `in_place(scale * x)`.

    Attributes:
        in_place: raises the base to the powers that a tensor holds.
        scale: logarithm of e to this base.
    """

    in_place: Callable[[Tensor], Tensor]
    scale: float


OF_E = Exponential(torch.Tensor.exp_, 1.0)
OF_2 = Exponential(torch.Tensor.exp2_, 1 / math.log(2))


@cache
def faster_exponential() -> Exponential:
    """Timed once in a process, on one thread: how PyTorch divides them among several differs more than they do."""
    with cores_for("exponential", 1, 2):
        return min((OF_E, OF_2), key=_seconds)


def _seconds(exponential: Exponential) -> float:
    powers = torch.zeros(TIMED_FLOATS)
    found = []
    for _ in range(TIMED_RUNS):
        powers.zero_()
        start = time.perf_counter()
        exponential.in_place(powers)
        found.append(time.perf_counter() - start)
    return min(found)
