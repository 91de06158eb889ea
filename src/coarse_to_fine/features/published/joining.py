"""Queries of two annotation files of one data set, joined by what they say and never by their ids or lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.errors import DataError
from coarse_to_fine.wording import first_of

SAME_TIME_S = 0.05
"""Window bounds of one query in two files differ by rounding at most."""

SHOWN = 3


def join_queries(ours: Sequence[MomentQuery], theirs: Sequence[MomentQuery]) -> dict[str, str]:
    """The id in `theirs` of each of our queries that is there, found by video, text and windows.

    Some releases number the rows that their loader kept: after a dropped row every id is shifted, and a join by number
    gives each sentence the features of its neighbour.

    Returns:
        their query id by our query id; queries that they lack are not in it.

    Raises:
        DataError: several of theirs fit one of ours, or several of ours one of theirs; names the first.
    """
    candidates: dict[tuple[str, str], list[MomentQuery]] = {}
    for query in theirs:
        candidates.setdefault(_said(query), []).append(query)
    found: dict[str, str] = {}
    for query in ours:
        fitting = [other for other in candidates.get(_said(query), ()) if _same_windows(query, other)]
        if len(fitting) > 1:
            raise _ambiguous(query.query_id, [other.query_id for other in fitting], query)
        if fitting:
            found[query.query_id] = fitting[0].query_id
    _refuse_shared(found, ours)
    return found


def unmatched(ours: Iterable[MomentQuery], joined: Mapping[str, str]) -> list[str]:
    """Ids of our queries that the other file lacks."""
    return [query.query_id for query in ours if query.query_id not in joined]


def _said(query: MomentQuery) -> tuple[str, str]:
    return query.video_id, " ".join(query.text.lower().split())


def _same_windows(left: MomentQuery, right: MomentQuery) -> bool:
    return len(left.windows_s) == len(right.windows_s) and all(
        abs(a - b) <= SAME_TIME_S
        for one, other in zip(sorted(left.windows_s), sorted(right.windows_s))
        for a, b in zip(one, other, strict=True)
    )


def _refuse_shared(found: Mapping[str, str], ours: Sequence[MomentQuery]) -> None:
    owners: dict[str, list[str]] = {}
    for own, other in found.items():
        owners.setdefault(other, []).append(own)
    for other, own_ids in owners.items():
        if len(own_ids) > 1:
            raise _ambiguous(other, own_ids, next(query for query in ours if query.query_id == own_ids[0]))


def _ambiguous(query_id: str, others: Sequence[str], query: MomentQuery) -> DataError:
    return DataError(
        f"query {query_id} fits {len(others)} queries of the other file ({first_of(others, SHOWN)}): video "
        f"{query.video_id!r}, {query.text!r}, windows {[list(window) for window in query.windows_s]}; expected one; "
        "remove the repeated rows, or import with the annotation file whose ids name the features"
    )
