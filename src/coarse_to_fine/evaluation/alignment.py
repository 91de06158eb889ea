"""Joins answers to the queries they belong to; decides what happens to a query without an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.predictions import Predictions, QueryPrediction
from coarse_to_fine.evaluation.truth import Truth
from coarse_to_fine.wording import counted, first_of

Missing = Literal["refuse", "miss", "drop"]


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Queries and their answers in the same order.

    Attributes:
        truth: with the queries that are evaluated.
        answers: one for each query.
        warnings: absent answers and what the reader noticed.
    """

    truth: Truth
    answers: tuple[QueryPrediction, ...]
    warnings: tuple[str, ...]

    @property
    def clusters(self) -> list[str]:
        """The video of each query, for the bootstrap."""
        return [query.cluster for query in self.truth.queries]


def align(truth: Truth, predictions: Predictions, missing: Missing = "refuse") -> Aligned:
    """Find the answer to every query.

    Args:
        truth: the queries.
        predictions: the answers; an answer to a query that is not in the truth is always an error, one to a query that
            a repair of the truth dropped is left out.
        missing: a query without an answer is an error (`refuse`), counts as a miss (`miss`), or leaves the evaluation
            (`drop`, which changes the denominator and says so).

    Raises:
        DataError: unknown or absent ids, or answers about other videos, with their number and the first five.
    """
    known = {query.query_id for query in truth.queries}
    unknown = [query_id for query_id in predictions.by_id if query_id not in known | truth.dropped]
    if unknown:
        raise DataError(
            f"{predictions.source}: {counted(len(unknown), 'query id is', 'query ids are')} not in {truth.source} "
            f"({first_of(unknown)}); expected answers to its queries only; check that both files are of one split"
        )
    absent = [query.query_id for query in truth.queries if query.query_id not in predictions.by_id]
    if absent and missing == "refuse":
        raise DataError(
            f"{predictions.source}: no answer to {len(absent)} of {counted(len(known), 'query', 'queries')} "
            f"({first_of(absent)}); expected one row a query; add rows with empty lists, let them count as misses "
            "(--missing miss) or leave these queries out (--missing drop)"
        )
    _refuse_other_videos(truth, predictions)
    queries = truth.queries
    if missing == "drop":
        queries = tuple(query for query in queries if query.query_id in predictions.by_id)
    if not queries:
        raise DataError(f"{truth.source}: no query is left to evaluate; expected at least one; check both files")
    answers = tuple(predictions.by_id.get(query.query_id, QueryPrediction(query.query_id)) for query in queries)
    extended, notes = _with_named_videos(truth.with_queries(queries), answers, predictions.source)
    left_out = _left_out([query_id for query_id in predictions.by_id if query_id in truth.dropped])
    return Aligned(extended, answers, (*predictions.notes, *left_out, *_absence(absent, missing), *notes))


def _refuse_other_videos(truth: Truth, predictions: Predictions) -> None:
    """An answer about another video would count for a query that it was not made for."""
    others = []
    for query in truth.queries:
        found = predictions.by_id.get(query.query_id)
        said = found.video_id if found is not None else None
        if said is not None and query.answers and not {said, PurePath(said).stem} & query.answers.keys():
            others.append(f"{query.query_id}: {said}, not {query.video_id}")
    if others:
        raise DataError(
            f"{predictions.source}: {counted(len(others), 'answer is', 'answers are')} about another video than asked "
            f"({first_of(others)}); expected the same one; check that ids belong together in both files"
        )


def _with_named_videos(truth: Truth, answers: Sequence[QueryPrediction], source: str) -> tuple[Truth, list[str]]:
    """The gallery with the videos that the answers name: the search ran over them too."""
    known = set(truth.gallery)
    lists = [
        part for answer in answers for part in (answer.videos, answer.moments, answer.given_video) if part is not None
    ]
    wider = [part.video_ids for part in lists if not known.issuperset(part.video_ids)]
    more = list(dict.fromkeys(video for video_ids in wider for video in video_ids if video not in known))
    if not more:
        return truth, []
    if truth.closed:
        raise DataError(
            f"{source}: names {counted(len(more), 'video')} outside the gallery ({first_of(more)}); expected videos of "
            "the gallery only; check the names, or give the gallery that was searched"
        )
    of = counted(len(more), "video of the answers is", "videos of the answers are")
    note = f"{of} in no query of the truth; |V| counts them ({first_of(more)})"
    return replace(truth, gallery=(*truth.gallery, *more)), [note]


def _left_out(ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    return [f"left out: {counted(len(ids), 'answer')} to queries without a window inside their video ({first_of(ids)})"]


def _absence(absent: Sequence[str], missing: Missing) -> list[str]:
    if not absent:
        return []
    effect = "count as misses" if missing == "miss" else "were left out by request"
    return [f"{counted(len(absent), 'query', 'queries')} without an answer {effect} ({first_of(absent)})"]
