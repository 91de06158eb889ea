"""Mean and maximum IoU of the two-stage system, over the queries whose video the coarse stage found.

Mean is the quality of the first answer once the video is right. Maximum is what a perfect re-ranking of the N spans
would reach: it grows with N alone, so it is printed beside what N random spans give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.evaluation.oracles import Trace
from coarse_to_fine.evaluation.overlap import Float64, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class HierarchicalIou:
    """IoU of every query: NaN where the coarse stage lost the video (`first`, `best`), or 0 (`*_all`)."""

    first: Float64[FloatArray, " Q"]
    best: Float64[FloatArray, " Q"]

    @property
    def first_all(self) -> FloatArray:
        """A lost video counts as 0."""
        return np.nan_to_num(self.first)

    @property
    def best_all(self) -> FloatArray:
        """A lost video counts as 0."""
        return np.nan_to_num(self.best)


def hierarchical_iou(traces: Sequence[Trace], spans: int) -> HierarchicalIou:
    """IoU of the first span and the best of the first `spans` in the right video, for the queries that kept it."""
    first = np.full(len(traces), np.nan)
    best = np.full(len(traces), np.nan)
    for at, each in enumerate(traces):
        if each.candidate:
            first[at] = each.given[0] if len(each.given) else 0.0
            best[at] = each.given[:spans].max() if len(each.given) else 0.0
    return HierarchicalIou(first, best)
