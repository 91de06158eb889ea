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


@dataclass(frozen=True, slots=True)
class SeedCompatible:
    """Mean and maximum over the pairs (IoU, union in SECONDS): numbers without a unit, for documentation only."""

    mean_mixes_seconds: float
    max_mixes_seconds: float


def seed_compatible(predicted: Float64[FloatArray, "Q 2"], true: Float64[FloatArray, "Q 2"]) -> SeedCompatible:
    """The formulas of an earlier evaluation script as written: it averages IoUs together with unions in seconds.

    Kept to explain numbers such as a "Max IoU" above 1; never a baseline.
    """
    inter = np.maximum(np.minimum(predicted[:, 1], true[:, 1]) - np.maximum(predicted[:, 0], true[:, 0]), 0.0)
    union = predicted[:, 1] - predicted[:, 0] + true[:, 1] - true[:, 0] - inter
    pairs = np.stack([np.divide(inter, union, out=np.zeros_like(inter), where=union > 0), union], axis=1)
    return SeedCompatible(float(pairs.mean()), float(pairs.max()))
