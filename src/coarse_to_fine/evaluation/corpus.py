"""Moments in a whole corpus: the rank at which a query's list first names a right moment, or the right video.

A list is the video of each row and its windows (N, 2), best first. A rank is 1 for the first row; 0 means that no row
is right. R@K of a query is `0 < rank <= K`.

Source: VCMR, SVMR and VR of the TVRetrieval release (`convention="tvr"`), rewritten from its definition; ours counts
any true (video, window) pair in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from coarse_to_fine.evaluation.moment_retrieval import AP_THRESHOLDS, interpolated_average_precision, matched
from coarse_to_fine.evaluation.overlap import BoolArray, Float64, FloatArray, intersection_over_union

CORPUS_RECALLS = (1, 5, 10, 100)
TVR_THRESHOLDS = (0.5, 0.7)
TVR_ROWS = 100
FOUR_ANNOTATORS = 4
"""From this many windows on, the TVR routine asks for two windows that agree with the prediction (DiDeMo)."""


def best_overlaps(
    video_ids: Sequence[str], windows: Float64[FloatArray, "N _"], answers: Mapping[str, Float64[FloatArray, "T 2"]]
) -> Float64[FloatArray, " N"]:
    """Best IoU of each row with a true window of its own video; -1 in a video that is not an answer."""
    result = np.full(len(video_ids), -1.0)
    for video_id, true in answers.items():
        rows = np.flatnonzero([found == video_id for found in video_ids])
        if len(rows) and len(true):
            result[rows] = intersection_over_union(windows[rows], true).max(axis=1)
    return result


def corpus_average_precision(
    video_ids: Sequence[str],
    windows: Float64[FloatArray, "N _"],
    answers: Mapping[str, Float64[FloatArray, "T 2"]],
    thresholds: Sequence[float] = AP_THRESHOLDS,
    limit: int = 100,
) -> Float64[FloatArray, " H"]:
    """Average precision of (video, window) pairs in list order; a row of a wrong video is a false positive."""
    rows = windows[:limit]
    columns = []
    for video_id, true in answers.items():
        right = np.array([found == video_id for found in video_ids[:limit]], dtype=np.bool_)
        columns.append(np.where(right[:, None], intersection_over_union(rows, true), -1.0))
    iou = np.concatenate(columns, axis=1)
    return interpolated_average_precision(matched(iou, thresholds), iou.shape[1])


def first_moment_rank(overlaps: Float64[FloatArray, " N"], threshold: float) -> int:
    """Rank of the first row with IoU >= threshold, 0 for none."""
    return _first(overlaps >= threshold)


def first_video_rank(video_ids: Sequence[str], answers: Mapping[str, object]) -> int:
    """Rank of the first right video among the distinct videos of a list, by first appearance; 0 for none."""
    distinct = list(dict.fromkeys(video_ids))
    return _first(np.array([video_id in answers for video_id in distinct], dtype=np.bool_))


def tvr_moment_rank(
    video_ids: Sequence[str],
    windows: Float64[FloatArray, "N _"],
    video_id: str,
    true: Float64[FloatArray, "T 2"],
    threshold: float,
    within_video: bool = False,
) -> int:
    """VCMR rank of one query by the TVR release, or SVMR with `within_video`.

    At most 100 rows are read; SVMR keeps the rows of the right video first. IoU is intersection over hull in float32,
    and so is its comparison with the threshold. With four or more true windows two of them have to reach it.
    """
    right = np.array([found == video_id for found in video_ids[:TVR_ROWS]], dtype=np.bool_)
    rows = windows[:TVR_ROWS]
    if within_video:
        rows, right = rows[right], right[right]
    reached = _float32_hull_iou(rows, true) >= np.float32(threshold)
    needed = 2 if len(true) >= FOUR_ANNOTATORS else 1
    return _first((np.count_nonzero(reached, axis=1) >= needed) & right)


def tvr_video_rank(video_ids: Sequence[str], video_id: str) -> int:
    """VR rank of one query by the TVR release: the position of the right video, where duplicates waste ranks."""
    return _first(np.array([found == video_id for found in video_ids[:TVR_ROWS]], dtype=np.bool_))


def recall_at(ranks: Sequence[int], k: int) -> Float64[FloatArray, " Q"]:
    """1 where 0 < rank <= k, else 0."""
    found = np.asarray(ranks)
    return ((found > 0) & (found <= k)).astype(np.float64)


def _first(hits: BoolArray) -> int:
    return int(np.argmax(hits)) + 1 if hits.any() else 0


def _float32_hull_iou(predicted: FloatArray, true: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    p, t = predicted[:, None, :2].astype(np.float32), true[None, :, :2].astype(np.float32)
    inter = np.maximum(np.minimum(p[..., 1], t[..., 1]) - np.maximum(p[..., 0], t[..., 0]), np.float32(0))
    hull = np.maximum(p[..., 1], t[..., 1]) - np.minimum(p[..., 0], t[..., 0])
    overlap: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.zeros_like(inter)
    np.divide(inter, hull, out=overlap, where=hull != 0)
    return overlap
