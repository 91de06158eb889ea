"""Metrics of ranking videos for texts: recall, ranks, both directions, from a matrix of scores.

Axes: T texts, V videos. Scores: higher is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coarse_to_fine.errors import DataError, UserError
from coarse_to_fine.evaluation.ties import expected_rank, expected_recall

Convention = Literal["expected", "t-mass"]
RECALLS = (1, 5, 10, 50, 100)


@dataclass(frozen=True, slots=True)
class VideoRetrieval:
    """How well one direction ranks.

    Attributes:
        recall: K -> percent of queries whose true item is among the first K.
        median_rank, mean_rank: over the queries, 1 is best.
        mrr: mean of 1 / rank, in [0, 1].
        queries, candidates: how many of each.
        convention: how ties count, see `true_ranks`.
    """

    recall: Mapping[int, float]
    median_rank: float
    mean_rank: float
    mrr: float
    queries: int
    candidates: int
    convention: Convention

    def as_dict(self) -> dict[str, float]:
        """`R@K` in percent, `MedR`, `MeanR`, `MRR`."""
        recalls = {f"R@{k}": value for k, value in self.recall.items()}
        return {**recalls, "MedR": self.median_rank, "MeanR": self.mean_rank, "MRR": self.mrr}

    def chance(self) -> dict[str, float]:
        """`R@K` of a random order with one true candidate a query, in percent."""
        return {f"R@{k}": 100.0 * min(1.0, k / self.candidates) for k in self.recall}


def text_to_video(
    scores: Float[Tensor, "T V"],
    truth: Int[Tensor, " T"] | Bool[Tensor, "T V"],
    recalls: Sequence[int] = RECALLS,
    convention: Convention = "expected",
) -> VideoRetrieval:
    """Rank the videos of each text.

    Args:
        scores: every text with every video.
        truth: row of each text's video, or True where a video answers a text (then the best one counts).
        recalls: the K of R@K.
        convention: see `true_ranks`.

    Raises:
        DataError: no text, shapes that do not fit, a text without a true video, or a NaN score.
    """
    above, tied = _competitors(scores, _as_mask(truth, scores), convention)
    return _summary(above, tied, scores.shape[1], recalls, convention)


def video_to_text(
    scores: Float[Tensor, "T V"],
    video_of_text: Int[Tensor, " T"],
    recalls: Sequence[int] = RECALLS,
    convention: Convention = "expected",
) -> VideoRetrieval:
    """Rank the texts of each video: the captions of one video are one candidate and the best of them counts.

    Videos without a caption ask no question; they are neither queries nor candidates.

    Raises:
        DataError: as in `text_to_video`.
    """
    _as_mask(video_of_text, scores)
    described, captions = torch.unique(video_of_text, return_counts=True)
    if convention == "t-mass":
        scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    grouped = torch.split(scores[torch.argsort(video_of_text, stable=True)], captions.tolist())
    best = torch.stack([own.amax(dim=0) for own in grouped])  # (described videos, V)
    by_video = best[:, described].T
    truth = torch.arange(len(described), device=scores.device)
    return text_to_video(by_video, truth, recalls, convention)


def true_ranks(
    scores: Float[Tensor, "T V"],
    truth: Int[Tensor, " T"] | Bool[Tensor, "T V"],
    convention: Convention = "expected",
) -> Float[Tensor, " T"]:
    """Rank of the best true video of each text, float64, 1 is best.

    With g other videos strictly above it and t level with it: 'expected' gives 1 + g + t / 2, the mean over all orders
    of the level ones, so a constant scorer ranks in the middle; 't-mass' gives 1 + g, and a candidate whose score is
    NaN counts as above, as in the release.
    """
    return expected_rank(*_competitors(scores, _as_mask(truth, scores), convention))


def dual_softmax(scores: Float[Tensor, T * rest], temperature: float = 100.0) -> Float[Tensor, T * rest]:
    """Scores times their softmax over the first axis. Every score then depends on all test queries; off by default.

    Each column is summed in memory of its own, so that it gets the same numbers whatever columns are beside it.

    Source: Cheng et al., 2021 (CAMoE), in the form of the T-MASS release.
    """
    columns = (temperature * scores).movedim(0, -1).contiguous()
    return scores * torch.softmax(columns, dim=-1).movedim(-1, 0)


def _as_mask(truth: Tensor, scores: Tensor) -> Bool[Tensor, "T V"]:
    if scores.ndim != 2 or 0 in scores.shape:
        raise DataError(f"scores have shape {tuple(scores.shape)}, expected (T, V) with a text and a video; give both")
    if truth.dtype != torch.bool:
        if truth.shape != scores.shape[:1]:
            raise DataError(
                f"{tuple(truth.shape)} true videos for {len(scores)} texts, expected one each; add the rest"
            )
        outside = (truth < 0) | (truth >= scores.shape[1])
        if bool(outside.any()):
            raise DataError(
                f"text {int(outside.nonzero()[0])} has the true video {int(truth[outside][0])}, expected a row below "
                f"{scores.shape[1]}; add the video to the gallery or leave the text out"
            )
        truth = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, truth.unsqueeze(1), True)
    if truth.shape != scores.shape:
        raise DataError(f"truth has shape {tuple(truth.shape)}, expected that of the scores {tuple(scores.shape)}")
    without = ~truth.any(dim=1)
    if bool(without.any()):
        raise DataError(
            f"text {int(without.nonzero()[0])} has no true video, expected at least one; leave the text out"
        )
    return truth


def _competitors(
    scores: Float[Tensor, "T V"], truth: Bool[Tensor, "T V"], convention: Convention
) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"]]:
    """How many false videos lie strictly above the best true one, and how many level ones count, as float64."""
    if convention not in ("expected", "t-mass"):
        raise UserError(f"convention {convention!r}, expected 'expected' or 't-mass'; correct the name")
    unknown = torch.isnan(scores)
    if bool((unknown & truth).any()) or (convention == "expected" and bool(unknown.any())):
        raise DataError(
            f"the scores of text {int(unknown.any(dim=1).nonzero()[0])} hold NaN, expected numbers; check the features"
        )
    best = scores.masked_fill(~truth, -torch.inf).amax(dim=1, keepdim=True)
    above = (scores > best) | unknown
    level = (scores == best) & ~truth & (convention == "expected")
    return (above & ~truth).sum(dim=1).double(), level.sum(dim=1).double()


def _summary(
    above: Tensor, tied: Tensor, candidates: int, recalls: Sequence[int], convention: Convention
) -> VideoRetrieval:
    ranks = expected_rank(above, tied)
    return VideoRetrieval(
        recall={k: 100 * float(expected_recall(above, tied, k).mean()) for k in recalls},
        median_rank=float(ranks.quantile(0.5)),
        mean_rank=float(ranks.mean()),
        mrr=float((1 / ranks).mean()),
        queries=len(ranks),
        candidates=candidates,
        convention=convention,
    )
