"""Uncertainty of a mean over queries, by resampling VIDEOS: queries of one video are not independent.

Q queries, V videos, M metrics, B resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.evaluation.overlap import Float64, FloatArray

RESAMPLES = 1000
TAIL = (1 - 0.95) / 2
"""Share of the resamples below a 95 % interval, and above it."""
CHUNK = 64
"""Resamples drawn at a time, so that 50 000 videos stay within some 50 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """95 % percentile interval of a bootstrap."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of b - a over queries with its interval over videos, and how often a resample favours b.

    Attributes:
        difference: mean of b - mean of a.
        interval: of the difference.
        share_better: share of resamples in which b is above a; ties count half.
    """

    difference: float
    interval: Interval
    share_better: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out 0."""
        return 0.0 not in self.interval


def bootstrap_intervals(
    values: Float64[FloatArray, "Q M"], videos: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> list[Interval]:
    """Interval of the mean of each column, resampling videos with all their queries.

    Args:
        values: NaN where a query does not count for a metric.
        videos: the video of each query.
        resamples: number of draws.
        seed: of the generator; the same seed gives the same draws, so that two files can be compared in pairs.
    """
    return [_interval(column) for column in resampled_means(values, videos, resamples, seed).T]


def paired_bootstrap(
    a: Float64[FloatArray, " Q"],
    b: Float64[FloatArray, " Q"],
    videos: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """The difference of two sets of values of the same queries; both are resampled together."""
    delta = b - a
    means = resampled_means(delta[:, None], videos, resamples, seed)[:, 0]
    better = float(np.mean(means > 0) + np.mean(means == 0) / 2)
    return PairedDifference(float(np.nanmean(delta)), _interval(means), better)


def resampled_means(
    values: Float64[FloatArray, "Q M"], videos: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> Float64[FloatArray, "B M"]:
    """Mean of each column in every resample of the videos; NaN where a resample holds no query that counts."""
    _, owner = np.unique(np.asarray(videos, dtype=str), return_inverse=True)
    count = int(owner.max()) + 1
    counted = ~np.isnan(values)
    sums, sizes = (np.zeros((count, values.shape[1])) for _ in range(2))
    np.add.at(sums, owner, np.where(counted, values, 0.0))
    np.add.at(sizes, owner, counted.astype(np.float64))
    generator = np.random.default_rng(seed)
    means = np.full((resamples, values.shape[1]), np.nan)
    for start in range(0, resamples, CHUNK):
        draws = min(CHUNK, resamples - start)
        times = generator.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
        total, size = times @ sums, times @ sizes
        np.divide(total, size, out=means[start : start + draws], where=size > 0)
    return means


def _interval(means: FloatArray) -> Interval:
    known = means[~np.isnan(means)]
    if len(known) == 0:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [TAIL, 1 - TAIL])
    return Interval(float(low), float(high))
