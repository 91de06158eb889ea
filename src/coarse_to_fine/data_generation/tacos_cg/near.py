"""Finds, among many sets of words, the one most like each: Jaccard similarity, without comparing every pair.

Two sets of n and m words of which the Jaccard reaches t share at least t * max(n, m) words. With the words of all sets
in one order, the rarest first, the first n - ceil(t * n) + 1 words of the one and those of the other, their heads, then
share a word. Words that are shared and not in both heads all stand behind the head of one of the two, so that few
shared words in the heads rule out most pairs.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
from scipy.sparse import csr_array

from coarse_to_fine.data_generation.tacos_cg.progress import Advance, ignored
from coarse_to_fine.data_generation.tacos_cg.words import vector_rows
from coarse_to_fine.evaluation.overlap import FloatArray, IntArray

BLOCK = 512
MOST_PAIRS = 200_000
"""Pairs of a block that are compared one by one; where more are possible, all are compared at once."""
ROUNDING = 1e-9


def nearest_of_others(
    sets: Sequence[Set[str]], owners: IntArray, asked: IntArray, least: float, advance: Advance = ignored
) -> IntArray:
    """For each asked set the most similar one of another owner, the first of equal ones; -1 where none reaches `least`.

    Args:
        sets: N sets of words.
        owners: (N,) whose each set is.
        asked: (A,) the sets to ask for, by number.
        least: Jaccard that counts, in (0, 1].
        advance: called after each block of sets.
    """
    rows = vector_rows([dict.fromkeys(sorted(one), 1.0) for one in sets])
    sizes = np.diff(rows.indptr)
    behind = np.ceil(least * sizes - ROUNDING).astype(np.int64) - 1
    heads = _heads(rows, sizes - behind)
    columns, all_columns = heads.T.tocsr(), rows.T.tocsr()
    found = np.full(len(asked), -1)
    for start in range(0, len(asked), BLOCK):
        part = asked[start : start + BLOCK]
        places, others, shared = _pairs(heads[part], columns)
        one = part[places]
        enough = least / (1 + least) * (sizes[one] + sizes[others]) - ROUNDING
        possible = (shared + np.maximum(behind[one], behind[others]) >= enough) & (owners[one] != owners[others])
        if np.count_nonzero(possible) > MOST_PAIRS:
            places, others, shared = _pairs(rows[part], all_columns)
            possible = owners[part[places]] != owners[others]
            places, others, shared = places[possible], others[possible], shared[possible]
        else:
            places, others = places[possible], others[possible]
            shared = rows[part[places]].multiply(rows[others]).sum(axis=1)
        similar = shared / (sizes[part[places]] + sizes[others] - shared)
        # the last one written to a place stays: the most similar, of equal ones the first
        order = np.lexsort((-others, similar))
        order = order[similar[order] >= least]
        found[start + places[order]] = others[order]
        advance(start + len(part), len(asked))
    return found


def _heads(rows: csr_array, lengths: IntArray) -> csr_array:
    """The rarest words of each row, as many as `lengths` says."""
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    rarity = np.argsort(np.argsort(np.bincount(rows.indices, minlength=rows.shape[1]), kind="stable"))
    order = np.lexsort((rarity[rows.indices], row))
    kept = np.arange(len(row)) - rows.indptr[row] < lengths[row]
    return csr_array((np.ones(kept.sum()), (row[kept], rows.indices[order][kept])), shape=rows.shape)


def _pairs(rows: csr_array, columns: csr_array) -> tuple[IntArray, IntArray, FloatArray]:
    """Rows and columns that share words, and how many."""
    shared = (rows @ columns).tocoo()
    return shared.row, shared.col, shared.data
