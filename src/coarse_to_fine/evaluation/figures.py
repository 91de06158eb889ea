"""The series behind the plots of a report: curves over K and IoU, error classes by group, timelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coarse_to_fine.evaluation.alignment import Aligned
from coarse_to_fine.evaluation.breakdown import classes_by_group, groups
from coarse_to_fine.evaluation.corpus import best_overlaps, first_moment_rank, first_video_rank, recall_at
from coarse_to_fine.evaluation.moment_retrieval import best_iou_of_first, sorted_by_score
from coarse_to_fine.evaluation.oracles import Trace, loss_classes
from coarse_to_fine.evaluation.overlap import FloatArray, intersection_over_union
from coarse_to_fine.evaluation.predictions import RankedMoments
from coarse_to_fine.evaluation.video_lists import recalls

CURVE_K = (1, 2, 3, 5, 10, 20, 50, 100)
CURVE_IOU = tuple(round(0.05 * step, 2) for step in range(1, 20))
CURVE_THRESHOLDS = (0.3, 0.5, 0.7)
TIMELINE_SPANS = 5


def pipeline_figures(
    aligned: Aligned,
    moments: Sequence[RankedMoments],
    given: Sequence[FloatArray],
    traces: Sequence[Trace],
    loss_rows: Sequence[int],
    examples: int,
) -> dict[str, Any]:
    """Plain lists and numbers, ready for JSON."""
    found: dict[str, Any] = {}
    gallery = len(aligned.truth.gallery)
    with_windows = all(len(query.windows) for query in aligned.truth.queries)
    if traces:
        ks = [k for k in CURVE_K if k < gallery] or [1]
        standings = [each.standing for each in traces]
        found["video recall over K"] = {"x": ks, "y": [_percent(recalls(standings, k)) for k in ks]}
    if with_windows and any(len(each) for each in moments):
        found["moment recall over K"] = {
            f"IoU {m}": {"x": list(CURVE_K), "y": _over_k(traces, m)} for m in CURVE_THRESHOLDS
        }
        found["error classes"] = {f"K = {k}": _classes(aligned, traces, k) for k in loss_rows}
    if with_windows and any(len(each) for each in given):
        first = (
            np.array([each.given[0] if len(each.given) else 0.0 for each in traces])
            if traces
            else _first(aligned, given)
        )
        best = np.array([each.max(initial=0.0) for each in _overlaps(aligned, given)])
        found["recall over IoU"] = _over_iou({"first span": first, "best span": best})
        found["examples"] = _examples(aligned, given, first, examples)
    return found


def moment_figures(aligned: Aligned, lists: Sequence[FloatArray], examples: int = 8) -> dict[str, Any]:
    """The curve over IoU and the timelines of windows inside given videos."""
    ordered = [sorted_by_score(each) for each in lists]
    first = _first(aligned, ordered)
    found: dict[str, Any] = {"recall over IoU": _over_iou({"first window": first})}
    found["recall over IoU"] |= _over_iou({"best of five": _first(aligned, ordered, 5)})
    return {**found, "examples": _examples(aligned, ordered, first, examples)}


def corpus_figures(aligned: Aligned, lists: Sequence[RankedMoments]) -> dict[str, Any]:
    """The curves over K of moments in a corpus."""
    queries = aligned.truth.queries
    overlaps = [best_overlaps(each.video_ids, each.spans, query.answers) for each, query in zip(lists, queries)]
    videos = [first_video_rank(each.video_ids, query.answers) for each, query in zip(lists, queries)]
    ks = [k for k in CURVE_K if k < len(aligned.truth.gallery)] or [1]
    curves = {
        f"IoU {m}": {
            "x": list(CURVE_K),
            "y": [_percent(recall_at([first_moment_rank(each, m) for each in overlaps], k)) for k in CURVE_K],
        }
        for m in CURVE_THRESHOLDS
    }
    recall = {"x": ks, "y": [_percent(recall_at(videos, k)) for k in ks]}
    return {"video recall over K": recall, "moment recall over K": curves}


def _over_iou(values: dict[str, FloatArray]) -> dict[str, Any]:
    return {name: {"x": list(CURVE_IOU), "y": [_percent(iou >= m) for m in CURVE_IOU]} for name, iou in values.items()}


def _first(aligned: Aligned, given: Sequence[FloatArray], count: int = 1) -> FloatArray:
    return np.array([best_iou_of_first(each, q.windows, (count,))[0] for each, q in zip(given, aligned.truth.queries)])


def _overlaps(aligned: Aligned, given: Sequence[FloatArray]) -> list[FloatArray]:
    return [intersection_over_union(each, query.windows) for each, query in zip(given, aligned.truth.queries)]


def _over_k(traces: Sequence[Trace], threshold: float) -> list[float]:
    at = [first_moment_rank(each.overlaps, threshold) for each in traces]
    return [_percent(recall_at(at, k)) for k in CURVE_K]


def _classes(aligned: Aligned, traces: Sequence[Trace], k: int) -> dict[str, Any]:
    classes = loss_classes(traces, k, 0.5)
    return {name: classes_by_group(classes, parts) for name, parts in groups(aligned.truth).items()}


def _examples(aligned: Aligned, given: Sequence[FloatArray], first: FloatArray, count: int) -> list[dict[str, Any]]:
    """Queries from the worst to the best first span, evenly spaced."""
    order = np.argsort(first, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))]
    found = []
    for at in chosen.tolist():
        query, saliency = aligned.truth.queries[at], aligned.answers[at].saliency
        spans = given[at][:TIMELINE_SPANS]
        ends = [*query.windows[:, 1].tolist(), *spans[:, 1].tolist()]
        found.append(
            {
                "query_id": query.query_id,
                "text": query.text,
                "video_id": query.video_id,
                "duration_s": query.duration_s if query.duration_s is not None else max(ends),
                "true": query.windows.tolist(),
                "predicted": spans.tolist(),
                "iou": float(first[at]),
                "saliency": None if saliency is None else saliency.tolist(),
            }
        )
    return found


def _percent(values: Any) -> float:
    return round(float(100 * np.mean(values)), 2)
