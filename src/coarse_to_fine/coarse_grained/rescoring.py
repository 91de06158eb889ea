"""The best segments of a cheap order, scored again by a model that is too slow for all of them.

Axes: T texts, V segments, K scored again, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache
from coarse_to_fine.coarse_grained.ranking import stable_top

MARGIN = 1e-5
"""Beyond what rounding can take from a difference of two cosines."""


def rescore(
    model: CoarseModel,
    text: Float[Tensor, "T D"],
    scores: Float[Tensor, "T V"],
    frames_of: Callable[[Int[Tensor, " K"]], Float[Tensor, "K F D"]],
    seed: int = 0,
) -> Float[Tensor, "T V"]:
    """Scores in which the K best segments of each text have those of `model`, and the others keep their order below.

    The scores of the others are lowered by one number a text where one of them would pass a segment that was scored
    again; where none would, they stay as they are.

    Args:
        model: its `rescored` says K; 0 changes nothing.
        text: sentence embeddings.
        scores: of the model's `ranker`.
        frames_of: coarse frames of some segments, asked by their columns.
        seed: of the model's noise.
    """
    if not model.rescored or not scores.numel():
        return scores
    best = stable_top(scores, model.rescored).indices
    rows = [
        _rescore_row(row, own, model.score(one.unsqueeze(0), frames_of(own), seed)[0].to(row))
        for row, own, one in zip(scores, best, text)
    ]
    return torch.stack(rows)


def scores_as_searched(
    model: CoarseModel,
    text: Float[Tensor, "T D"],
    frames: Float[Tensor, "V F D"],
    ranker_cache: VideoCache,
    seed: int = 0,
) -> Float[Tensor, "T V"]:
    """Scores in the order that a search gives: the `ranker` on all segments, the model on the best of them.

    Args:
        model: any coarse model.
        text: sentence embeddings.
        frames: of all segments.
        ranker_cache: `model.ranker.video_cache(frames)`.
        seed: of the model's noise.
    """
    first = model.ranker.score_cached(text, ranker_cache, seed).cpu()
    return rescore(model, text, first, lambda columns: frames[columns], seed)


def _rescore_row(
    scores: Float[Tensor, " V"], best: Int[Tensor, " K"], again: Float[Tensor, " K"]
) -> Float[Tensor, " V"]:
    below = scores.clone()
    below[best] = -torch.inf
    excess = below.max() - again.min()  # -inf where all segments were scored again
    if excess > 0:
        below = below - (excess + MARGIN)
    return below.scatter(0, best, again)
