"""The tasks `corpus` and `videos`: moments and videos found in a whole collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.alignment import Aligned
from coarse_to_fine.evaluation.columns import PERCENT, Column
from coarse_to_fine.evaluation.corpus import (
    CORPUS_RECALLS,
    TVR_THRESHOLDS,
    best_overlaps,
    corpus_average_precision,
    first_moment_rank,
    first_video_rank,
    recall_at,
    tvr_moment_rank,
    tvr_video_rank,
)
from coarse_to_fine.evaluation.moment_retrieval import AP_THRESHOLDS, RECALL_THRESHOLDS
from coarse_to_fine.evaluation.moment_task import NO_MOMENTS
from coarse_to_fine.evaluation.overlap import FloatArray, inside
from coarse_to_fine.evaluation.predictions import QueryPrediction, RankedMoments
from coarse_to_fine.evaluation.truth import Truth
from coarse_to_fine.evaluation.video_lists import VIDEO_RECALLS, Standing, ranks, recalls, standing
from coarse_to_fine.wording import counted, first_of

EMPTY = RankedMoments((), NO_MOMENTS)


def moment_lists(aligned: Aligned) -> list[RankedMoments]:
    """The corpus list of every query by descending score (stable), clipped to the videos.

    Raises:
        DataError: the file holds no corpus lists.
    """
    if all(answer.moments is None for answer in aligned.answers):
        raise DataError(
            f"{aligned.truth.source}: the predictions name no videos of their moments; expected `predictions` or "
            "`moments` rows [video_id, start_s, end_s, score] for the task corpus; name another task"
        )
    return [clipped(answer.moments, aligned.truth) for answer in aligned.answers]


def clipped(moments: RankedMoments | None, truth: Truth) -> RankedMoments:
    """By descending score, each moment inside its video where the duration is known; empty for None."""
    if moments is None:
        return EMPTY
    ordered = moments.sorted()
    limits = np.array([truth.durations.get(video_id, np.inf) for video_id in ordered.video_ids])
    return RankedMoments(ordered.video_ids, inside(ordered.spans, limits))


def corpus_columns(
    aligned: Aligned, lists: Sequence[RankedMoments], thresholds: Sequence[float] = RECALL_THRESHOLDS
) -> list[Column]:
    """VCMR recall, mAP of (video, window) pairs, and the recall of videos by first appearance in the same lists."""
    answers = [query.answers for query in aligned.truth.queries]
    overlaps = [best_overlaps(each.video_ids, each.spans, true) for each, true in zip(lists, answers)]
    found = []
    for m in thresholds:
        moment_ranks = [first_moment_rank(each, m) for each in overlaps]
        found += [
            Column(f"VCMR-R{k}@{m}", recall_at(moment_ranks, k), rule=f"right video and IoU >= {m} in the first {k}")
            for k in CORPUS_RECALLS
        ]
    ap = [corpus_average_precision(each.video_ids, each.spans, true) for each, true in zip(lists, answers)]
    found.append(Column("VCMR-mAP", np.array(ap).mean(axis=1), rule=_AP_RULE))
    return [*found, *video_columns_of_moments(aligned, lists)]


_AP_RULE = f"(video, window) pairs, IoU {AP_THRESHOLDS[0]}:0.05:{AP_THRESHOLDS[-1]}, first 100 rows"


def video_columns_of_moments(aligned: Aligned, lists: Sequence[RankedMoments]) -> list[Column]:
    """Recall of the video in the order of first appearance, median rank, and the share of lists that hold it at all."""
    gallery = len(aligned.truth.gallery)
    video_ranks = [first_video_rank(each.video_ids, query.answers) for each, query in zip(lists, aligned.truth.queries)]
    found = [
        Column(
            f"VR-R{k}",
            recall_at(video_ranks, k),
            chance=_chance(k, gallery),
            rule=f"right video among the first {k} distinct videos of the list of moments",
        )
        for k in CORPUS_RECALLS
        if k < gallery
    ]
    listed = (np.asarray(video_ranks) > 0).astype(np.float64)
    known = np.where(listed > 0, np.asarray(video_ranks, dtype=np.float64), float(gallery))
    return [
        *found,
        Column("VR-MedR", known, scale=1.0, reduce="median", rule="a video that is not listed has the last rank"),
        Column("VR-listed", listed, rule="right video anywhere in the list: the upper bound of VCMR"),
    ]


def tvr_columns(aligned: Aligned) -> list[Column]:
    """VCMR, SVMR and VR exactly as the TVR release prints them, for the lists that the file holds.

    Raises:
        DataError: no list at all, or a truth with two or three windows, which that release cannot read.
    """
    odd = [query.query_id for query in aligned.truth.queries if len(query.windows) in (0, 2, 3)]
    if odd:
        raise DataError(
            f"{aligned.truth.source}: {counted(len(odd), 'query has', 'queries have')} 0, 2 or 3 windows "
            f"({first_of(odd)}); the TVR rules know 1, or 4 and more; use the default convention"
        )
    found: list[Column] = []
    for task, lists in (("VCMR", _parts(aligned, "moments")), ("SVMR", _parts(aligned, "given_video"))):
        if lists is not None:
            found += _tvr_moments(aligned, task, lists)
    if any(answer.videos is not None for answer in aligned.answers):
        video_ranks = [
            tvr_video_rank(() if answer.videos is None else answer.videos.video_ids, query.video_id or "")
            for query, answer in zip(aligned.truth.queries, aligned.answers)
        ]
        found += [Column(f"VR-r{k}", recall_at(video_ranks, k), rule="TVR release") for k in CORPUS_RECALLS]
    if not found:
        raise DataError(
            f"{aligned.truth.source}: no corpus lists in the predictions; expected VCMR, SVMR or VR; add them"
        )
    return found


def _tvr_moments(aligned: Aligned, task: str, lists: Sequence[RankedMoments]) -> list[Column]:
    found = []
    for m in TVR_THRESHOLDS:
        at = [
            tvr_moment_rank(each.video_ids, each.spans, query.video_id or "", query.windows, m, task == "SVMR")
            for each, query in zip(lists, aligned.truth.queries)
        ]
        found += [Column(f"{task}-{m}-r{k}", recall_at(at, k), rule="TVR release, float32") for k in CORPUS_RECALLS]
    return found


def _parts(aligned: Aligned, name: str) -> list[RankedMoments] | None:
    parts = [getattr(answer, name) for answer in aligned.answers]
    return None if all(part is None for part in parts) else [part or EMPTY for part in parts]


def official_tvr(aligned: Aligned, columns: Sequence[Column]) -> dict[str, Mapping[str, object]]:
    """The values in the layout of the TVR release, with its breakdown by type where the truth has types."""
    kinds = np.array([query.kind or "" for query in aligned.truth.queries])
    tables: dict[str, dict[str, object]] = {}
    for column in columns:
        task, key = column.name.split("-", 1)
        tables.setdefault(task, {})[key] = _tvr_round(column.values)
        for kind in ("v", "t", "vt"):
            if (kinds == kind).any():
                tables.setdefault(f"{task}_by_type", {})[f"{kind}-{key}"] = _tvr_round(column.values[kinds == kind])
    shares = " ".join(f"{kind} {_tvr_round(kinds == kind):.2f}" for kind in ("v", "t", "vt"))
    for task, table in tables.items():
        if task.endswith("_by_type"):
            table["desc_type_ratio"] = shares
    return dict(tables)


def _tvr_round(values: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return round(float(100 * np.mean(values)), 2)


def video_standings(aligned: Aligned, strict: bool) -> list[Standing]:
    """Standing of the true video in every list of videos.

    Raises:
        DataError: the file ranks no videos.
    """
    if all(answer.videos is None and answer.moments is None for answer in aligned.answers):
        raise DataError(
            f"{aligned.truth.source}: the predictions rank no videos; expected `videos` rows [video_id, score]; name "
            "another task"
        )
    gallery = len(aligned.truth.gallery)
    return [
        _standing(answer, set(query.answers), gallery, strict)
        for query, answer in zip(aligned.truth.queries, aligned.answers)
    ]


def _standing(answer: QueryPrediction, true: set[str], gallery: int, strict: bool) -> Standing:
    if answer.videos is None and answer.moments is not None:
        rank = first_video_rank(answer.moments.video_ids, dict.fromkeys(true))
        return Standing(rank - 1, 0) if rank else Standing(max(gallery - 1, 0), 0, listed=False)
    return standing(answer.videos, true, gallery, strict)


def video_columns(standings: Sequence[Standing], gallery: int, rule: str) -> list[Column]:
    """R@K for K below |V|, median and mean rank, mean reciprocal rank."""
    at = ranks(standings)
    found = [
        Column(f"R@{k}", recalls(standings, k), chance=_chance(k, gallery), rule=rule)
        for k in VIDEO_RECALLS
        if k < gallery
    ]
    middle = (gallery + 1) / 2
    return [
        *found,
        Column("MedR", at, scale=1.0, reduce="median", rule=rule),
        Column("MeanR", at, scale=1.0, rule=f"{rule}; {middle:g} by chance"),
        Column("MRR", 1 / at, rule=rule),
    ]


def text_columns(standings: Sequence[Standing], rule: str) -> list[Column]:
    """The same of the other direction, named `v2t-...`: the texts of every described video among those of all."""
    rule = f"the texts of a video are one candidate, the best of them counts; {rule}"
    return [replace(each, name=f"v2t-{each.name}") for each in video_columns(standings, len(standings), rule)]


def _chance(k: int, gallery: int) -> float:
    return PERCENT * min(k / gallery, 1.0) if gallery else 0.0
