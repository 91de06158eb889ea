"""Highlights: how well the saliency curve of one query finds the clips that annotators marked.

n clips, A annotators. Saliency is a rank score of any sign; only its order counts. Values are in [0, 1] for one query.

Source: the QVHighlights tool (`HL-min-*`) and the TVSum and YouTube Highlights loops of UMT and QD-DETR, rewritten
from their definitions.
"""

from __future__ import annotations

import numpy as np

from coarse_to_fine.evaluation.overlap import BoolArray, Float64, FloatArray

LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}
"""Lowest score, of 0 to 4, that makes a clip positive."""
TVSUM_CLIPS = 5


def ranked_list_ap(positive: BoolArray, scores: Float64[FloatArray, " n"]) -> float:
    """AP of one list as the QVHighlights tool defines it.

    All negative: 0; all positive: 1. Else the plain mean, over the distinct recall levels above 0, of the best
    precision at that recall or more. A threshold runs over the distinct scores, so tied clips enter together and a
    level that jumps by several positives counts once.
    """
    total = int(np.count_nonzero(positive))
    if total in (0, len(positive)):
        return float(total > 0)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(positive[order])[ends]
    precision = found / (ends + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    new_level = np.diff(found, prepend=0) > 0
    return float(np.mean(best_from_here[new_level]))


def highlight_ap(
    saliency: Float64[FloatArray, " L"], relevance: Float64[FloatArray, "n A"], minimum: float
) -> Float64[FloatArray, " A"]:
    """AP against each annotator; the curve is cut to n clips or padded with 0.0 (which is not the lowest score)."""
    fitted = np.zeros(len(relevance))
    count = min(len(saliency), len(relevance))
    fitted[:count] = saliency[:count]
    return np.array([ranked_list_ap(column >= minimum, fitted) for column in relevance.T])


def highlight_hit(saliency: Float64[FloatArray, " L"], relevance: Float64[FloatArray, "n A"], minimum: float) -> float:
    """1 if any annotator marks the clip of the highest saliency (first on ties), else 0.

    The maximum is taken over the whole curve: one that lies at or beyond clip n is a miss, and so is an empty curve.
    """
    if len(saliency) == 0:
        return 0.0
    best = int(np.argmax(saliency))
    return float(best < len(relevance) and bool((relevance[best] >= minimum).any()))


def tvsum_top5_ap(saliency: Float64[FloatArray, " L"], labels: Float64[FloatArray, "n A"]) -> Float64[FloatArray, " A"]:
    """TVSum: AP of the five clips of highest saliency against each annotator.

    A clip is positive where the annotator's score is above the (lower) median of that annotator's scores in the video.
    """
    ordered = np.sort(labels, axis=0)
    positive = labels > ordered[(len(labels) - 1) // 2]
    best = np.argsort(-saliency[: len(labels)], kind="stable")[:TVSUM_CLIPS]
    return np.array([trapezoid_ap(column[best]) for column in positive.T])


def youtube_ap(saliency: Float64[FloatArray, " L"], positive: BoolArray) -> float:
    """YouTube Highlights: AP by trapezoid of the whole list against one binary label a clip."""
    return trapezoid_ap(positive[np.argsort(-saliency[: len(positive)], kind="stable")])


def trapezoid_ap(hits: BoolArray) -> float:
    """Area under precision over recall by trapezoids from (0, 1); recall counts the positives in `hits` only."""
    total = int(np.count_nonzero(hits))
    if total == 0:
        return 0.0
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    before = np.concatenate([[1.0], precision[:-1]])
    return float(np.sum(hits / total * (before + precision) / 2))
