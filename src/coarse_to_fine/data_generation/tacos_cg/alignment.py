"""Whether captions find their video by the similarity of texts, and sentences the captions of theirs.

C captions, V videos, S sentences, D words or width of an embedding. Rows have unit length; similarity is their dot
product, and two that agree in 9 decimals are tied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_array

from coarse_to_fine.data_generation.tacos_cg.progress import Advance, Progress, following
from coarse_to_fine.evaluation.overlap import FloatArray, IntArray
from coarse_to_fine.evaluation.ties import expected_rank

Rows: TypeAlias = "FloatArray | csr_array"
BLOCK = 512
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Alignment:
    """How captions and videos find each other.

    Attributes:
        at_1, at_5: percentage of captions whose own video is among the best K, ties at their expected rank.
        chance_at_1, chance_at_5: the same of a random ranking.
        mrr: mean reciprocal rank, in [0, 1].
        reverse_at_1: percentage of sentences whose best caption belongs to their video.
        groups: number of groups of videos, such as dishes; None: no groups were given.
        group_at_1, group_chance_at_1: percentage of captions whose best video is of the own group, and chance.
    """

    at_1: float
    at_5: float
    chance_at_1: float
    chance_at_5: float
    mrr: float
    reverse_at_1: float
    groups: int | None = None
    group_at_1: float | None = None
    group_chance_at_1: float | None = None


def alignment(
    captions: Rows,
    owners: IntArray,
    documents: Rows,
    sentences: Rows,
    sentence_videos: IntArray,
    groups: IntArray | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """Rank the videos for captions, and the captions for sentences.

    Args:
        captions: (C, D), at least one.
        owners: (C,) row of each caption's video.
        documents: (V, D), all sentences of a video.
        sentences: (S, D), one by one.
        sentence_videos: (S,) row of each sentence's video.
        groups: (V,) group of each video, numbered from 0.
        progress: called after each block of texts.
    """
    ranks, group_ranks, found = [], [], []
    for part, scores in similarities(captions, documents, following(progress, "videos of captions")):
        ranks.append(_ranks(scores, owners[part]))
        if groups is not None:
            group_ranks.append(_ranks(_best_of_groups(scores, groups), groups[owners[part]]))
    for part, best, scores in best_rows(sentences, captions, following(progress, "captions of sentences")):
        found.append((owners[best] == sentence_videos[part]) & (scores > 0))
    videos = documents.shape[0]
    count = None if groups is None else int(groups.max()) + 1
    return Alignment(
        at_1=_recall(ranks, 1),
        at_5=_recall(ranks, 5),
        chance_at_1=100 / videos,
        chance_at_5=100 * min(1.0, 5 / videos),
        mrr=float(np.mean(1 / np.concatenate(ranks))),
        reverse_at_1=100 * float(np.mean(np.concatenate(found))),
        groups=count,
        group_at_1=_recall(group_ranks, 1) if count else None,
        group_chance_at_1=100 / count if count else None,
    )


def similarities(a: Rows, b: Rows, advance: Advance) -> Iterator[tuple[slice, FloatArray]]:
    """Dot products of the rows of `a`, some at a time, with all rows of `b`; which rows, and their products."""
    for part, found in _products(a, b, advance):
        dense: FloatArray = found if isinstance(found, np.ndarray) else found.toarray()
        yield part, dense.round(DIGITS)


def best_rows(a: Rows, b: Rows, advance: Advance) -> Iterator[tuple[slice, IntArray, FloatArray]]:
    """Which rows of `a`, the most similar row of `b` for each, the first of tied ones, and their similarity.

    Sparse rows hold no negative number: what they do not share is worth 0, and not looked at.
    """
    for part, found in _products(a, b, advance):
        if isinstance(found, np.ndarray):
            scores = found.round(DIGITS)
            yield part, scores.argmax(axis=1), scores.max(axis=1)
        else:
            yield part, *_best_of_sparse(found)


def _best_of_sparse(scores: csr_array) -> tuple[IntArray, FloatArray]:
    """The column of the greatest number of each row, the first of tied ones, and that number; 0 and 0 without one."""
    best, greatest = np.zeros(scores.shape[0], dtype=np.int64), np.zeros(scores.shape[0])
    counts = np.diff(scores.indptr)
    filled = np.flatnonzero(counts)
    if len(filled):
        starts, values = scores.indptr[filled], scores.data.round(DIGITS)
        greatest[filled] = np.maximum.reduceat(values, starts)
        columns = np.where(values == np.repeat(greatest, counts), scores.indices, scores.shape[1])
        best[filled] = np.minimum.reduceat(columns, starts)
    return best, greatest


def _products(a: Rows, b: Rows, advance: Advance) -> Iterator[tuple[slice, Rows]]:
    """Dot products of the rows of `a`, some at a time, with all rows of `b`; sparse ones of sparse rows."""
    columns = b.T if isinstance(b, np.ndarray) else b.T.tocsr()
    for start in range(0, a.shape[0], BLOCK):
        part = slice(start, start + BLOCK)
        yield part, a[part] @ columns  # type: ignore[misc]
        advance(min(part.stop, a.shape[0]), a.shape[0])


def _ranks(scores: FloatArray, right: IntArray) -> FloatArray:
    own = np.take_along_axis(scores, right[:, None], axis=1)
    return expected_rank((scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1)


def _best_of_groups(scores: FloatArray, groups: IntArray) -> FloatArray:
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
    best: FloatArray = np.maximum.reduceat(scores[:, order], starts, axis=1)
    return best


def _recall(ranks: Sequence[FloatArray], k: int) -> float:
    return 100 * float(np.mean(np.concatenate(ranks) <= k))
