"""The tie rule of ranked videos: the expected rank under random tie-breaking.

`above` counts the wrong videos that score above the best true one, `tied` those that score the same; arrays of one
entry a query. A system that gives every video one score gets chance, not 100 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from coarse_to_fine.evaluation.overlap import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    Array = TypeVar("Array", FloatArray, Tensor)


def expected_rank(above: Array, tied: Array) -> Array:
    """Mean rank over all orders of the tied videos, 1 for the first: 1 + above + tied / 2."""
    return 1 + above + tied / 2


def expected_recall(above: Array, tied: Array, k: int) -> Array:
    """Probability to be among the first k over all orders of the tied videos: (k - above) / (tied + 1) in [0, 1]."""
    return ((k - above) / (tied + 1)).clip(0, 1)
