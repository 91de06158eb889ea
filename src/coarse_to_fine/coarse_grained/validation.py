"""Retrieval metrics of a coarse model on a split whose queries have true videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.pairs import CoarsePairs
from coarse_to_fine.coarse_grained.ranking import best_per_video
from coarse_to_fine.coarse_grained.rescoring import scores_as_searched
from coarse_to_fine.evaluation.video_retrieval import text_to_video

RECALLS = (1, 5, 10)
METRICS = (*(f"R@{k}" for k in RECALLS), "MedR", "MeanR", "MRR")
"""Names of the metrics of a split."""


def retrieval_metrics(model: CoarseModel, pairs: CoarsePairs, seeds: Sequence[int] = (0,)) -> dict[str, float]:
    """R@1, R@5, R@10 (percent), MedR, MeanR, MRR of the true video among all videos of the split.

    A video counts by the best of its segments; ties by their expected rank.

    Args:
        model: any coarse model.
        pairs: the split; every query is asked once.
        seeds: of the model's noise; the metrics are the mean over them.
    """
    queries = pairs.queries()
    truth = pairs.video_of_pair[queries]
    found = [text_to_video(scores, truth, RECALLS).as_dict() for scores in _video_scores(model, pairs, queries, seeds)]
    return {name: sum(metrics[name] for metrics in found) / len(found) for name in found[0]}


@torch.no_grad()
def _video_scores(
    model: CoarseModel, pairs: CoarsePairs, queries: Tensor, seeds: Sequence[int]
) -> Iterator[Float[Tensor, "Q N"]]:
    """One score matrix a seed, one at a time, ranked as a search ranks; every distinct sentence is scored once."""
    cache = model.ranker.video_cache(pairs.frames)
    sentences, row = torch.unique(pairs.text_of_pair[queries], return_inverse=True)
    text = pairs.text[sentences]
    for seed in seeds:
        scores = scores_as_searched(model, text, pairs.frames, cache, seed)
        yield best_per_video(scores, pairs.video_of_segment, len(pairs.video_ids))[row]
