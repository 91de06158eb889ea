"""What a system scores that does not look: random ranking, random spans, and the best constant span.

Random spans are drawn from the windows of a training split, as fractions of their videos. M spans of the prior, Q
queries; every probability is exact over the prior, nothing is sampled here except a large prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.evaluation.overlap import Float64, FloatArray, intersection_over_union
from coarse_to_fine.evaluation.truth import Truth, TruthQuery

PRIOR_SPANS = 1000
GRID_STEPS = 20


@dataclass(frozen=True, slots=True, eq=False)
class SpanPrior:
    """Where moments lie in their videos: `spans` (M, 2) as fractions of the video, and where they were taken from."""

    spans: Float64[FloatArray, "M 2"]
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class BlindOverlap:
    """IoU of every span of a prior with the best true window of every query: `iou` (Q, M), sorted along M."""

    iou: Float64[FloatArray, "Q M"]

    def probability(self, threshold: float) -> Float64[FloatArray, " Q"]:
        """Probability that one random span reaches a threshold."""
        share: FloatArray = np.mean(self.iou >= threshold, axis=1)
        return share

    def recall(self, draws: int, threshold: float, share: float = 1.0) -> float:
        """Expected R@draws in percent; `share` is the probability that a row is of the right video (1 / |V|)."""
        return float(100 * np.mean(1 - (1 - share * self.probability(threshold)) ** draws))

    def mean_best(self, draws: int) -> float:
        """Expected mean over queries of the best IoU among `draws` random spans, in percent; 1 gives mIoU."""
        steps = np.arange(self.iou.shape[1] + 1) / self.iou.shape[1]
        return float(100 * np.mean(self.iou @ np.diff(steps**draws)))


def span_prior(truth: Truth, seed: int = 0) -> SpanPrior | None:
    """The windows of a split as fractions of their videos, at most PRIOR_SPANS of them; None without durations."""
    spans = [
        query.windows / query.duration_s
        for query in truth.queries
        if query.duration_s is not None and len(query.windows)
    ]
    if not spans:
        return None
    rows = np.concatenate(spans)
    if len(rows) > PRIOR_SPANS:
        rows = rows[np.sort(np.random.default_rng(seed).choice(len(rows), PRIOR_SPANS, replace=False))]
    return SpanPrior(rows, f"{truth.source} (split {truth.split})")


def blind_overlap(queries: Sequence[TruthQuery], prior: SpanPrior) -> BlindOverlap | None:
    """Overlap of the prior's spans with every query; None where a duration or a window is not known."""
    rows = []
    for query in queries:
        if query.duration_s is None or len(query.windows) == 0:
            return None
        rows.append(np.sort(intersection_over_union(prior.spans * query.duration_s, query.windows).max(axis=1)))
    return BlindOverlap(np.array(rows))


def best_constant_span(prior: SpanPrior) -> tuple[float, float]:
    """The blind predictor: fractions (start, end) on a grid of 1/20 that overlap the prior's windows most."""
    edges = np.arange(GRID_STEPS + 1) / GRID_STEPS
    grid = np.array([(start, end) for start in edges for end in edges if end > start])
    best = grid[int(np.argmax(intersection_over_union(grid, prior.spans).mean(axis=1)))]
    return float(best[0]), float(best[1])


def constant_span_iou(queries: Sequence[TruthQuery], span: tuple[float, float]) -> Float64[FloatArray, " Q"]:
    """IoU of one constant span with the best true window of every query; NaN without a duration or a window."""
    found = np.full(len(queries), np.nan)
    fractions = np.array([span])
    for at, query in enumerate(queries):
        if query.duration_s is not None and len(query.windows):
            found[at] = intersection_over_union(fractions * query.duration_s, query.windows).max()
    return found
