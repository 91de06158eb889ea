"""Which sentences go to which stage; a number is comparable within one protocol only.

A coarse caption describes a whole video, a fine sentence one moment. P3 reads captions that were made from the answer
video's own annotations, so it is reported apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.columns import Column
from coarse_to_fine.evaluation.truth import Truth, TruthQuery
from coarse_to_fine.wording import counted, first_of

Protocol = Literal["P1", "P2", "P3", "P4"]

PROTOCOLS: dict[Protocol, str] = {
    "P1": "fine sentences for both stages",
    "P2": "coarse captions, coarse stage only; the mean is over the variants",
    "P3": "coarse caption for the coarse stage, fine sentence for the fine stage, averaged over the captions of a "
    "video; the captions were made from the answer video's annotations: never compare with P1",
    "P4": "coarse caption and fine sentence joined as one query for the coarse stage",
}


QUERY_KINDS: dict[str, Protocol] = {"fine": "P1", "coarse": "P2", "coarse+fine": "P3", "joined": "P4"}
"""Kind of queries, as commands and run files name it."""


@dataclass(frozen=True, slots=True, eq=False)
class AskedQueries:
    """Queries of a split under a protocol.

    Attributes:
        truth: their text is what the fine stage reads.
        protocol: which sentences go to which stage.
        coarse_texts: what the coarse stage reads, by query id; the text of the query where it is not here.
        owners: id of the fine sentence of each query id, where queries are pairs; None elsewhere.
    """

    truth: Truth
    protocol: Protocol = "P1"
    coarse_texts: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] | None = None

    def coarse_text(self, query: TruthQuery) -> str:
        """What the coarse stage reads."""
        return self.coarse_texts.get(query.query_id, query.text)


@dataclass(frozen=True, slots=True, eq=False)
class PairedTruth:
    """Every (caption, sentence) pair of one video as a query of its own.

    Attributes:
        truth: the pairs; the text is the fine sentence.
        captions: coarse text of each pair by query id.
        owners: id of the fine sentence of each pair by query id.
    """

    truth: Truth
    captions: Mapping[str, str]
    owners: Mapping[str, str]


def pair_queries(fine: Truth, coarse: Truth) -> PairedTruth:
    """The pairs of P3 and P4: every caption of a video with every fine sentence of the same video.

    Raises:
        DataError: a fine sentence whose video has no caption.
    """
    by_video: dict[str | None, list[TruthQuery]] = {}
    for caption in coarse.queries:
        by_video.setdefault(caption.video_id, []).append(caption)
    bare = [query.query_id for query in fine.queries if query.video_id not in by_video]
    if bare:
        raise DataError(
            f"{fine.source}: no coarse caption in {coarse.source} for the videos of "
            f"{counted(len(bare), 'query', 'queries')} ({first_of(bare)}); expected one at least; make captions for "
            "every video of the split"
        )
    pairs = [(query, caption) for query in fine.queries for caption in by_video[query.video_id]]
    named = {f"{caption.query_id}+{query.query_id}": (query, caption) for query, caption in pairs}
    return PairedTruth(
        fine.with_queries(replace(query, query_id=name) for name, (query, _) in named.items()),
        {name: caption.text for name, (_, caption) in named.items()},
        {name: query.query_id for name, (query, _) in named.items()},
    )


def joined_truth(pairs: PairedTruth) -> Truth:
    """P4: caption and sentence as one text."""
    queries = pairs.truth.queries
    return pairs.truth.with_queries(
        replace(query, text=f"{pairs.captions[query.query_id].rstrip('. ')}. {query.text}") for query in queries
    )


def asked_in_pairs(fine: Truth, coarse: Truth, joined: bool) -> AskedQueries:
    """P3, or P4 where caption and sentence are `joined` for the coarse stage.

    Raises:
        DataError: as `pair_queries`.
    """
    pairs = pair_queries(fine, coarse)
    if not joined:
        return AskedQueries(pairs.truth, "P3", pairs.captions, pairs.owners)
    texts = {query.query_id: query.text for query in joined_truth(pairs).queries}
    return AskedQueries(pairs.truth, "P4", texts, pairs.owners)


def average_pairs(columns: Sequence[Column], queries: Sequence[TruthQuery], owners: Mapping[str, str]) -> list[Column]:
    """Every column averaged over the pairs of each fine sentence, in the order of the sentences."""
    order = list(dict.fromkeys(owners[query.query_id] for query in queries))
    index = {owner: at for at, owner in enumerate(order)}
    place = np.array([index[owners[query.query_id]] for query in queries])
    found = []
    for column in columns:
        counted = ~np.isnan(column.values)
        total = np.bincount(place, np.where(counted, column.values, 0.0), len(order))
        count = np.bincount(place, counted, len(order))
        means = np.divide(total, count, out=np.full(len(order), np.nan), where=count > 0)
        found.append(replace(column, values=means))
    return found


def variant_columns(columns: Sequence[Column], queries: Sequence[TruthQuery]) -> list[Column]:
    """Each mean of P2 for every variant of the captions, and the mean over variants; nothing for one variant."""
    kinds = np.array([query.kind or "" for query in queries])
    variants = sorted(set(kinds.tolist()))
    if len(variants) < 2:
        return []
    found = []
    for column in (each for each in columns if each.reduce == "mean"):
        parts = [np.where(kinds == kind, column.values, np.nan) for kind in variants]
        found += [replace(column, name=f"{column.name}, variant {k}", values=v) for k, v in zip(variants, parts)]
        # weights that make the plain mean over queries the mean over the variants
        weights = sum(
            (kinds == kind) * len(kinds) / (len(variants) * np.count_nonzero(kinds == kind)) for kind in variants
        )
        mean = replace(column, name=f"{column.name}, mean over variants", values=column.values * weights)
        found.append(mean)
    return found
