"""Rank of the true video in one query's list of scored videos, under the tie rule of the expected rank.

g counts the wrong videos that score above the best true video, t those that score the same. Under random tie-breaking
the expected rank is 1 + g + t/2 and the probability to be among the first K is clip((K - g) / (t + 1), 0, 1): a system
that gives every video one score gets chance, not 100 %.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.evaluation.overlap import Float64, FloatArray
from coarse_to_fine.evaluation.predictions import RankedVideos

VIDEO_RECALLS = (1, 5, 10, 50, 100)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the true video of one query stands.

    Attributes:
        above: wrong videos with a higher score.
        tied: wrong videos with the same score.
        listed: False where the list does not hold a true video: a miss at every K.
    """

    above: int
    tied: int
    listed: bool = True

    def recall(self, k: int) -> float:
        """Probability that a true video is among the first k under random tie-breaking."""
        return float(np.clip((k - self.above) / (self.tied + 1), 0.0, 1.0)) if self.listed else 0.0

    @property
    def rank(self) -> float:
        """Expected rank, 1 for the first."""
        return 1 + self.above + self.tied / 2


def standing(videos: RankedVideos | None, true: Container[str], gallery: int, strict: bool = False) -> Standing:
    """Standing of the best true video in a list; a list without one gets the last rank of the gallery.

    Args:
        videos: scored videos in any order; a repeated id counts once, with its first score.
        true: the right videos.
        gallery: |V|.
        strict: count strictly higher scores only, as the T-MASS release does (equal without ties).
    """
    scores = dict(reversed(list(zip(videos.video_ids, videos.scores.tolist())))) if videos is not None else {}
    right = [score for video_id, score in scores.items() if video_id in true]
    if not right:
        return Standing(max(gallery - 1, 0), 0, listed=False)
    best = max(right)
    wrong = np.array([score for video_id, score in scores.items() if video_id not in true], dtype=np.float64)
    tied = 0 if strict else int(np.count_nonzero(wrong == best))
    return Standing(int(np.count_nonzero(wrong > best)), tied)


def recalls(standings: Sequence[Standing], k: int) -> Float64[FloatArray, " Q"]:
    """Recall at k of every query."""
    return np.array([each.recall(k) for each in standings])


def ranks(standings: Sequence[Standing]) -> Float64[FloatArray, " Q"]:
    """Expected rank of every query."""
    return np.array([each.rank for each in standings])
