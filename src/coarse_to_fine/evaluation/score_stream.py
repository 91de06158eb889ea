"""Ranks of the true videos from a stream of score blocks, so that a large gallery never lies in memory at once.

Q queries, V videos. The stream is read twice: once for the score of each true video, once to count the others. All
results are counts and comparisons, so they do not depend on how the gallery was cut into blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.overlap import Bool, BoolArray, Float64, FloatArray, Int, IntArray
from coarse_to_fine.evaluation.predictions import RankedVideos
from coarse_to_fine.evaluation.video_lists import Standing

Scores = NDArray[np.float32] | NDArray[np.float64]
TOP = 100


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBlock:
    """Scores of all queries with some videos.

    Attributes:
        first_video: index of the first column among the videos of the gallery.
        scores: (Q, columns), higher is better.
    """

    first_video: int
    scores: Scores


Stream = Callable[[], Iterable[ScoreBlock]]
"""Starts the stream again; the same blocks every time."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamedRanks:
    """What a stream of scores says.

    Attributes:
        standings: of the best true video of each query.
        top_videos: (Q, K) indices of the best videos; ties: the lower index first.
        top_scores: (Q, K) their scores.
        videos: |V|.
        described: videos that are right for a query, ascending.
        text_standings: of the queries of each described video among those of the others; the queries of a video are
            one candidate, and the best of them counts.
    """

    standings: tuple[Standing, ...]
    top_videos: Int[IntArray, "Q K"]
    top_scores: Float64[FloatArray, "Q K"]
    videos: int
    described: tuple[int, ...]
    text_standings: tuple[Standing, ...]


def rank_stream(stream: Stream, true_videos: Sequence[Sequence[int]], top: int = TOP) -> StreamedRanks:
    """Rank the true videos of every query, and the queries of every true video.

    Memory: one block, a few copies of it, and (Q, K) results; the number of videos does not matter.

    Args:
        stream: called twice.
        true_videos: indices of the right videos of each query, at least one each.
        top: how many of the best videos to keep.

    Raises:
        DataError: a NaN score, a block of another number of queries, a gap, or a true video outside the gallery.
    """
    best, videos = _true_scores(stream, true_videos)
    pairs = _pairs(true_videos)
    above = np.zeros(len(best), dtype=np.int64)
    tied = np.zeros(len(best), dtype=np.int64)
    kept = _nothing(len(best))
    texts: list[Standing] = []
    for block in stream():
        above += np.count_nonzero(block.scores > best[:, None], axis=1)
        tied += np.count_nonzero(block.scores == best[:, None], axis=1)
        queries, columns = _inside(pairs, block)
        np.subtract.at(tied, queries, block.scores[queries, columns] == best[queries])
        kept = _merge(kept, block, top)
        texts += _text_standings(pairs, block)
    described = tuple(np.unique(pairs[:, 0]).tolist())
    return StreamedRanks(tuple(_standings(above, tied)), kept[1], kept[0], videos, described, tuple(texts))


def top_of_stream(stream: Stream, top: int) -> tuple[Float64[FloatArray, "Q K"], Int[IntArray, "Q K"]]:
    """Scores and columns of the best `top` of every query, best first; ties: the lower column first. One reading."""
    kept = None
    for block in stream():
        kept = _merge(kept or _nothing(len(block.scores)), block, top)
    return kept or _nothing(0)


def blocks_of(scores: Scores, width: int) -> Stream:
    """A stream over a matrix that is at hand, `width` videos a block."""
    return lambda: (ScoreBlock(at, scores[:, at : at + width]) for at in range(0, scores.shape[1], width))


def best_lists(
    video_ids: Sequence[str], scores: Scores, right: Sequence[Collection[str]], top: int = TOP
) -> list[RankedVideos]:
    """The best videos of every query, with what standings need to know of those further down.

    Args:
        video_ids: of the columns; of equal scores the first comes first.
        scores: (Q, V) of some queries.
        right: of each query, the videos whose standing may be asked for.
        top: how many are listed.
    """
    column = {video_id: number for number, video_id in enumerate(video_ids)}
    best, columns = top_of_stream(blocks_of(scores, max(1, len(video_ids))), top)
    lists = []
    for row, values, listed, own in zip(scores, best, columns.tolist(), right, strict=True):
        known = [video_id for video_id in own if video_id in column]
        asked = row[np.array([column[video_id] for video_id in known], dtype=np.int64)]
        ordered = np.sort(row)
        below, upto = (np.searchsorted(ordered, asked, side) for side in ("left", "right"))
        counts = zip(asked.tolist(), (len(row) - upto).tolist(), (upto - below).tolist())
        counted = dict(zip(known, counts, strict=True))
        lists.append(RankedVideos(tuple(video_ids[number] for number in listed), values, counted))
    return lists


def _true_scores(stream: Stream, true_videos: Sequence[Sequence[int]]) -> tuple[FloatArray, int]:
    """Best score of a true video of each query, and the number of videos."""
    pairs = _pairs(true_videos)
    best = np.full(len(true_videos), -np.inf)
    seen = np.zeros(len(true_videos), dtype=np.int64)
    videos = 0
    for block in stream():
        _check(block, len(true_videos), videos)
        videos += block.scores.shape[1]
        queries, columns = _inside(pairs, block)
        np.maximum.at(best, queries, block.scores[queries, columns])
        np.add.at(seen, queries, 1)
    for query, true in enumerate(true_videos):
        if not true or seen[query] < len(set(true)):
            raise DataError(
                f"query {query} has the true videos {list(true)[:5]}; expected at least one and each below {videos}, "
                "the videos of the stream; correct the indices"
            )
    return best, videos


def _check(block: ScoreBlock, queries: int, videos: int) -> None:
    if block.scores.ndim != 2 or block.scores.shape[0] != queries or block.first_video != videos:
        raise DataError(
            f"a block of shape {block.scores.shape} from video {block.first_video}; expected ({queries}, columns) from "
            f"video {videos}; send the blocks in order, each with all queries"
        )
    if np.isnan(block.scores).any():
        query, column = np.argwhere(np.isnan(block.scores))[0]
        raise DataError(
            f"the score of query {query} with video {videos + column} is NaN; expected a number; check the features"
        )


def _pairs(true_videos: Sequence[Sequence[int]]) -> Int[IntArray, "N 2"]:
    """(video, query) of every right pair, by video."""
    pairs = sorted((video, query) for query, true in enumerate(true_videos) for video in set(true))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _inside(pairs: IntArray, block: ScoreBlock) -> tuple[IntArray, IntArray]:
    """Queries and columns of the right pairs in a block."""
    start, stop = np.searchsorted(pairs[:, 0], (block.first_video, block.first_video + block.scores.shape[1]))
    return pairs[start:stop, 1], pairs[start:stop, 0] - block.first_video


def _text_standings(pairs: Int[IntArray, "N 2"], block: ScoreBlock) -> list[Standing]:
    """Of the own queries of each described video of a block; what is right for a video is no competitor there."""
    queries, columns = _inside(pairs, block)
    if not len(queries):
        return []
    described, column = np.unique(columns, return_inverse=True)
    scores: Scores = block.scores[:, described]  # a copy
    best = np.full(len(described), -np.inf)
    np.maximum.at(best, column, scores[queries, column])
    scores[queries, column] = -np.inf
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    groups = np.maximum.reduceat(scores[pairs[:, 1]], starts, axis=0)  # (described videos of the gallery, columns)
    return _standings(np.count_nonzero(groups > best, axis=0), np.count_nonzero(groups == best, axis=0))


def _standings(above: IntArray, tied: IntArray) -> list[Standing]:
    return [Standing(int(a), int(t)) for a, t in zip(above, tied)]


def _nothing(queries: int) -> tuple[FloatArray, IntArray]:
    return np.zeros((queries, 0)), np.zeros((queries, 0), dtype=np.int64)


def _merge(kept: tuple[FloatArray, IntArray], block: ScoreBlock, top: int) -> tuple[FloatArray, IntArray]:
    """The best `top` of what was kept and a block; earlier columns first among equals, so cuts do not matter."""
    found, columns = _candidates(_entering(kept[0], block.scores, top), block.scores)
    scores = np.concatenate([kept[0], found], axis=1)
    videos = np.concatenate([kept[1], columns + block.first_video], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(videos, order, axis=1)


def _entering(kept: FloatArray, scores: Scores, top: int) -> Bool[BoolArray, "Q columns"]:
    """True for what can be among the best `top`: above the last one kept, or among the best of its block."""
    width = scores.shape[1]
    if kept.shape[1] == top:
        return scores > kept[:, -1:]
    if width <= top:
        return np.ones(scores.shape, dtype=np.bool_)
    in_order: Scores = scores.copy()
    in_order.partition(width - top, axis=1)
    return scores >= in_order[:, width - top, None]


def _candidates(entering: Bool[BoolArray, "Q columns"], scores: Scores) -> tuple[FloatArray, IntArray]:
    """Scores that enter, with their columns: (Q, C), filled up with -inf."""
    rows, columns = np.nonzero(entering)
    counts = np.bincount(rows, minlength=len(scores))
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((len(scores), int(counts.max(initial=0))), -np.inf)
    at = np.zeros(found.shape, dtype=np.int64)
    found[rows, places], at[rows, places] = scores[rows, columns], columns
    return found, at
