"""Order of candidates from a matrix of scores; pure functions.

Axes: T texts, V segments, N videos, K kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Top(NamedTuple):
    """The first K candidates of every text, best first.

    Attributes:
        indices: (T, K) columns of the score matrix.
        scores: (T, K) their scores.
    """

    indices: Tensor
    scores: Tensor


def stable_top(scores: Float[Tensor, "T V"], k: int) -> Top:
    """The K best columns of each row; of equal scores the earlier column comes first, at the border too.

    K above V gives all V; K of 0 gives none. NaN comes first.
    """
    kept = min(max(k, 0), scores.shape[1])
    if kept == 0 or not len(scores):
        return Top(torch.zeros(len(scores), kept, dtype=torch.int64, device=scores.device), scores[:, :kept])
    best = torch.topk(scores, min(kept + 1, scores.shape[1]), dim=1)
    indices = best.indices[:, :kept].contiguous()
    for row, values in enumerate(best.values.tolist()):
        if len(set(values)) < len(values) and not math.isnan(values[0]):  # the order of equal scores is not known
            indices[row] = _best_columns(scores[row], values[kept - 1], kept)
    return Top(indices, best.values[:, :kept])


def _best_columns(row: Float[Tensor, " V"], last: float, kept: int) -> Int[Tensor, " K"]:
    """Columns with at least the score of the last one kept are few, so they alone are sorted."""
    candidates = (row >= last).nonzero().squeeze(1)
    return candidates[torch.argsort(row[candidates], descending=True, stable=True)[:kept]]


def best_per_video(
    scores: Float[Tensor, "T V"], video_of_segment: Int[Tensor, " V"], videos: int
) -> Float[Tensor, "T N"]:
    """Score of every video: the best of its segments; -inf for a video without segments."""
    index = video_of_segment.to(scores.device).expand(len(scores), -1)
    best = scores.new_full((len(scores), videos), -torch.inf)
    return best.scatter_reduce(1, index, scores, "amax")
