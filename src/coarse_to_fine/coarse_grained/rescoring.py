"""The best segments of a cheap order, scored again by a model that is too slow for all of them.

Axes: T texts, V segments, K scored again, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache
from coarse_to_fine.coarse_grained.ranking import Top, stable_top

MARGIN = 1e-5
"""Beyond what rounding can take from a difference of two cosines."""
FramesOf = Callable[[Int[Tensor, " K"]], Float[Tensor, "K F D"]]
"""Coarse frames of some segments, asked by their columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Rescored:
    """What a model says of the best segments of its ranker.

    Attributes:
        columns: (T, K) of the segments.
        scores: (T, K) their scores by the model.
        lowered: (T, 1) what all other scores are lowered by, so that none passes these; 0 where none would.
    """

    columns: Tensor
    scores: Tensor
    lowered: Tensor

    def put_into(self, scores: Float[Tensor, "T V"], first_column: int = 0) -> Float[Tensor, "T V"]:
        """Scores of the ranker, or a block of them that begins at a column, with those of the model in their place."""
        last_column = first_column + scores.shape[1]
        rows, places = ((self.columns >= first_column) & (self.columns < last_column)).nonzero(as_tuple=True)
        mixed = scores - self.lowered
        mixed[rows, self.columns[rows, places] - first_column] = self.scores[rows, places]
        return mixed


def rescore(
    model: CoarseModel, text: Float[Tensor, "T D"], scores: Float[Tensor, "T V"], frames_of: FramesOf, seed: int = 0
) -> Float[Tensor, "T V"]:
    """Scores in which the K best segments of each text have those of `model`, and the others keep their order below.

    The scores of the others are lowered by one number a text where one of them would pass a segment that was scored
    again; where none would, they stay as they are.

    Args:
        model: its `rescored` says K; 0 changes nothing.
        text: sentence embeddings.
        scores: of the model's `ranker`.
        frames_of: coarse frames of some segments.
        seed: of the model's noise.
    """
    if not model.rescored or not scores.numel():
        return scores
    return score_again(model, text, stable_top(scores, model.rescored + 1), frames_of, seed).put_into(scores)


def score_again(
    model: CoarseModel, text: Float[Tensor, "T D"], best: Top, frames_of: FramesOf, seed: int = 0
) -> Rescored:
    """The first K of the K + 1 best segments of each text by the model; the last one says what the others reach.

    Args:
        model: its `rescored` says K.
        text: sentence embeddings.
        best: K + 1 a text in the order of the ranker, or all where there are fewer.
        frames_of: coarse frames of some segments.
        seed: of the model's noise.
    """
    columns = best.indices[:, : model.rescored]
    rows = [model.score(one.unsqueeze(0), frames_of(own), seed)[0] for own, one in zip(columns, text)]
    scores = torch.stack(rows).to(best.scores)
    below = best.scores[:, model.rescored :]  # (T, 1), (T, 0) where all segments were scored again
    excess = (below - scores.amin(dim=1, keepdim=True)).sum(dim=1, keepdim=True)
    return Rescored(columns, scores, torch.where(excess > 0, excess + MARGIN, torch.zeros_like(excess)))


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
