"""Rank of the true video in one query's list of scored videos, under the tie rule of the expected rank (`ties`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.evaluation.overlap import Float64, FloatArray
from coarse_to_fine.evaluation.predictions import RankedVideos
from coarse_to_fine.evaluation.ties import expected_rank, expected_recall

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
        return float(recalls([self], k)[0])

    @property
    def rank(self) -> float:
        """Expected rank, 1 for the first."""
        return float(ranks([self])[0])


def standing(videos: RankedVideos | None, true: Collection[str], gallery: int, strict: bool = False) -> Standing:
    """Standing of the best true video in a list; a list without one gets the last rank of the gallery.

    Args:
        videos: scored videos in any order; a repeated id counts once, with its first score.
        true: the right videos.
        gallery: |V|.
        strict: count strictly higher scores only, as the T-MASS release does (equal without ties).
    """
    if videos is not None and videos.counted is not None:
        return _counted_standing(videos.counted, true, gallery, strict)
    places = _first_places(videos.video_ids) if videos is not None else {}
    right = [places[video_id] for video_id in true if video_id in places]
    if videos is None or not right:
        return Standing(max(gallery - 1, 0), 0, listed=False)
    scores = videos.scores if len(places) == len(videos) else videos.scores[list(places.values())]
    own = videos.scores[right]
    best = own.max()
    tied = 0 if strict else int(np.count_nonzero(scores == best) - np.count_nonzero(own == best))
    return Standing(int(np.count_nonzero(scores > best)), tied)


def _counted_standing(
    counted: Mapping[str, tuple[float, int, int]], true: Collection[str], gallery: int, strict: bool
) -> Standing:
    """No right video is above the best of them, and those that are level with it are no competitors."""
    right = [counted[video_id] for video_id in true if video_id in counted]
    if not right:
        return Standing(max(gallery - 1, 0), 0, listed=False)
    best, above, level = max(right)
    return Standing(above, 0 if strict else level - sum(score == best for score, _, _ in right))


def _first_places(video_ids: Sequence[str]) -> dict[str, int]:
    last = len(video_ids) - 1
    return {video_id: last - place for place, video_id in enumerate(reversed(video_ids))}


def recalls(standings: Sequence[Standing], k: int) -> Float64[FloatArray, " Q"]:
    """Recall at k of every query."""
    listed = np.array([each.listed for each in standings], dtype=np.float64)
    return listed * expected_recall(*_counts(standings), k)


def ranks(standings: Sequence[Standing]) -> Float64[FloatArray, " Q"]:
    """Expected rank of every query."""
    return expected_rank(*_counts(standings))


def _counts(standings: Sequence[Standing]) -> tuple[FloatArray, FloatArray]:
    above, tied = np.array([(each.above, each.tied) for each in standings], dtype=np.float64).reshape(-1, 2).T
    return above, tied
