"""Moments inside a given video: average precision and recall of one query's ranked windows.

A prediction is a row [start_s, end_s, score], a true window a row [start_s, end_s]; P predictions, T true windows,
H thresholds. Everything returns values in [0, 1] for one query; a metric is their mean over queries. An empty list of
predictions is a miss (0), never left out.

Source: the evaluation shipped with Moment-DETR and QD-DETR (`standalone_eval/eval.py`), rewritten from its definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coarse_to_fine.evaluation.overlap import (
    BoolArray,
    Float64,
    FloatArray,
    IntArray,
    hull_iou,
    intersection_over_union,
)

AP_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
RECALL_THRESHOLDS = (0.3, 0.5, 0.7)
AP_WINDOWS = 10
"""Windows of a list that count for average precision."""


@dataclass(frozen=True, slots=True)
class LengthRange:
    """True windows longer than `above_s` and at most `up_to_s` long; None: every window."""

    name: str
    above_s: float | None
    up_to_s: float | None

    def keep(self, windows: Float64[FloatArray, "T 2"]) -> Float64[FloatArray, "t 2"]:
        """The true windows inside the range, in their order."""
        if self.above_s is None or self.up_to_s is None:
            return windows
        lengths = windows[:, 1] - windows[:, 0]
        return windows[(lengths > self.above_s) & (lengths <= self.up_to_s)]


FULL = LengthRange("full", None, None)
LENGTH_RANGES = (
    FULL,
    LengthRange("short", 0.0, 10.0),
    LengthRange("middle", 10.0, 30.0),
    LengthRange("long", 30.0, 150.0),
)
Lengths = Literal["qvhighlights", "tacos"]
LENGTH_SETS: Mapping[Lengths, tuple[LengthRange, ...]] = {
    "qvhighlights": LENGTH_RANGES,
    "tacos": (*LENGTH_RANGES, LengthRange("superlong", 150.0, 600.0)),
}
"""Ranges that a set is reported by; MESM adds the last one for TACoS."""


def sorted_by_score(predictions: Float64[FloatArray, "P 3"]) -> Float64[FloatArray, "P 3"]:
    """Rows by descending score; ties keep their order."""
    return predictions[np.argsort(-predictions[:, 2], kind="stable")]


def average_precision(
    predictions: Float64[FloatArray, "P 3"],
    true: Float64[FloatArray, "T 2"],
    thresholds: Sequence[float] = AP_THRESHOLDS,
    limit: int = AP_WINDOWS,
) -> Float64[FloatArray, " H"]:
    """Average precision of one query at every threshold, all-point interpolated.

    The first `limit` rows in list order count, visited by descending score (stable). A prediction takes the free true
    window of the highest IoU among those that reach the threshold (equal IoU: the later true window); a prediction
    that finds none is a false positive, so a duplicate is one too.

    Args:
        predictions: may be empty: the result is 0.
        true: at least one window; duplicates need a prediction each.
        thresholds: IoU >= threshold counts.
        limit: rows of the list that are looked at.
    """
    ranked = sorted_by_score(predictions[:limit])
    hits = matched(intersection_over_union(ranked, true), thresholds)
    return interpolated_average_precision(hits, len(true))


def matched(iou: Float64[FloatArray, "P T"], thresholds: Sequence[float]) -> BoolArray:
    """(H, P): whether each prediction, in rank order, takes a free true window at each threshold."""
    levels = np.asarray(thresholds, dtype=np.float64)
    taken = np.zeros((len(levels), iou.shape[1]), dtype=np.bool_)
    hits = np.zeros((len(levels), iou.shape[0]), dtype=np.bool_)
    every = np.arange(len(levels))
    for rank, row in enumerate(iou):
        free = (row[None, :] >= levels[:, None]) & ~taken
        # the later of two equal true windows: argmax over the reversed axis
        best = iou.shape[1] - 1 - np.argmax(np.where(free, row[None, :], -1.0)[:, ::-1], axis=1)
        hits[:, rank] = free[every, best]
        taken[every, best] |= hits[:, rank]
    return hits


def interpolated_average_precision(hits: BoolArray, positives: int) -> Float64[FloatArray, " H"]:
    """Sum over ranks of (recall step) x (best precision from that rank on), for each row of `hits` (H, P)."""
    if hits.shape[1] == 0:
        return np.zeros(hits.shape[0])
    found = np.cumsum(hits, axis=1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result: FloatArray = np.sum(hits * best_from_here, axis=1) / positives
    return result


def first_window_iou(predictions: Float64[FloatArray, "P 3"], true: Float64[FloatArray, "T 2"]) -> float:
    """IoU of the FIRST row of the list with the true window it overlaps most, the QVHighlights rule for R1.

    The true window is chosen by intersection over union, the value is intersection over hull; 0 for an empty list.
    """
    if len(predictions) == 0:
        return 0.0
    first = predictions[:1]
    chosen = int(np.argmax(intersection_over_union(first, true)[0]))
    return float(hull_iou(first, true)[0, chosen])


def best_iou_of_first(
    predictions: Float64[FloatArray, "P 3"], true: Float64[FloatArray, "T 2"], counts: Sequence[int] = (1, 5)
) -> Float64[FloatArray, " N"]:
    """Best IoU with any true window among the first n rows, for each n of `counts`; 0 for an empty list.

    R@n,IoU=m of one query is `value >= m`; the value at n = 1 is the query's part of mIoU. The list is used in the
    order given (`sorted_by_score` first where it is not ranked); a list shorter than n is used as it is.
    """
    if len(predictions) == 0:
        return np.zeros(len(counts))
    best = np.maximum.accumulate(intersection_over_union(predictions[: max(counts)], true).max(axis=1))
    at: IntArray = np.minimum(np.asarray(counts, dtype=np.int64), len(best)) - 1
    return np.where(np.asarray(counts) > 0, best[at], 0.0)
