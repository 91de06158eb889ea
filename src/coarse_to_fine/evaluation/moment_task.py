"""The task `moments`: windows inside a given video, by the rules of QVHighlights and of the single-window sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.alignment import Aligned
from coarse_to_fine.evaluation.columns import Column
from coarse_to_fine.evaluation.moment_retrieval import (
    AP_THRESHOLDS,
    AP_WINDOWS,
    LENGTH_RANGES,
    RECALL_THRESHOLDS,
    LengthRange,
    average_precision,
    best_iou_of_first,
    first_window_iou,
    sorted_by_score,
)
from coarse_to_fine.evaluation.overlap import FloatArray
from coarse_to_fine.evaluation.predictions import QueryPrediction
from coarse_to_fine.evaluation.truth import TruthQuery
from coarse_to_fine.wording import counted, first_of

NO_MOMENTS = np.zeros((0, 3))


@dataclass(frozen=True, slots=True, eq=False)
class LengthResult:
    """Values of one length range: `ap` (Q, 10) and `iou` (Q,) of the first window; NaN rows do not count."""

    length: LengthRange
    ap: FloatArray
    iou: FloatArray

    def r1(self, threshold: float) -> FloatArray:
        """R1 of every query at a threshold."""
        return np.where(np.isnan(self.iou), np.nan, (self.iou >= threshold).astype(np.float64))


def given_video_windows(query: TruthQuery, answer: QueryPrediction) -> FloatArray:
    """The windows that were predicted in the true video: its own list, else the corpus list cut to that video."""
    if answer.windows is not None:
        return answer.windows
    if answer.moments is not None and query.video_id is not None:
        return answer.moments.of(query.video_id)
    return NO_MOMENTS


def window_lists(aligned: Aligned, convention: str) -> list[FloatArray]:
    """The list of every query, in file order or sorted by score (`sorted`).

    Raises:
        DataError: the file holds no moments at all, or a query has no true window.
    """
    if all(answer.windows is None and answer.moments is None for answer in aligned.answers):
        raise DataError(
            f"{aligned.truth.source}: the predictions hold neither pred_relevant_windows nor moments; expected one of "
            "them for the task moments; name another task"
        )
    refuse_without_windows(aligned)
    lists = [given_video_windows(query, answer) for query, answer in zip(aligned.truth.queries, aligned.answers)]
    return [sorted_by_score(each) for each in lists] if convention == "sorted" else lists


def refuse_without_windows(aligned: Aligned) -> None:
    """A query whose truth is empty cannot be evaluated."""
    empty = [query.query_id for query in aligned.truth.queries if not any(map(len, query.answers_or_windows))]
    if empty:
        raise DataError(
            f"{aligned.truth.source}: {counted(len(empty), 'query has', 'queries have')} no true window "
            f"({first_of(empty)}); expected at least one each; remove them from the truth, or take a split with labels"
        )


def length_results(
    aligned: Aligned, lists: Sequence[FloatArray], drop_empty: bool, ranges: Sequence[LengthRange] = LENGTH_RANGES
) -> list[LengthResult]:
    """AP and R1 of every query in every length range; `drop_empty` leaves empty lists out, as the official mAP does."""
    results = []
    for length in ranges:
        ap = np.full((len(lists), len(AP_THRESHOLDS)), np.nan)
        iou = np.full(len(lists), np.nan)
        for at, (query, predicted) in enumerate(zip(aligned.truth.queries, lists)):
            true = length.keep(query.windows)
            if len(true) == 0 or (drop_empty and len(predicted) == 0):
                continue
            ap[at] = average_precision(predicted, true)
            iou[at] = first_window_iou(predicted, true)
        results.append(LengthResult(length, ap, iou))
    return results


def length_columns(results: Sequence[LengthResult]) -> list[Column]:
    """The headline metrics of the QVHighlights tool."""
    full = results[0]
    rule = f"first {AP_WINDOWS} rows by descending score (stable), IoU 0.5:0.05:0.95"
    columns = [
        *(Column(f"MR-full-R1@{m}", full.r1(m), rule=f"first row of the list, IoU >= {m}") for m in (0.5, 0.7)),
        Column("MR-full-mAP", full.ap.mean(axis=1), rule=rule),
        *(Column(f"MR-full-mAP@{m}", full.ap[:, AP_THRESHOLDS.index(m)], rule=f"IoU >= {m}") for m in (0.5, 0.75)),
    ]
    for result in results[1:]:
        about = f"true windows of {result.length.above_s:g} to {result.length.up_to_s:g} s only"
        columns.append(Column(f"MR-{result.length.name}-mAP", result.ap.mean(axis=1), rule=f"{rule}; {about}"))
    return columns


def recall_columns(
    aligned: Aligned, lists: Sequence[FloatArray], thresholds: Sequence[float] = RECALL_THRESHOLDS
) -> list[Column]:
    """R1, R5 and mIoU of the single-window sets: lists by descending score (stable)."""
    best = np.array(
        [
            best_iou_of_first(sorted_by_score(predicted), query.windows, (1, 5))
            for query, predicted in zip(aligned.truth.queries, lists)
        ]
    )
    found = [
        Column(f"R{n}@{m}", (best[:, at] >= m).astype(np.float64), rule=f"first {n} by score, best IoU >= {m}")
        for at, n in enumerate((1, 5))
        for m in thresholds
    ]
    return [*found, Column("mIoU", best[:, 0], rule="best IoU of the first window by score")]


def official_tables(results: Sequence[LengthResult], decided: bool) -> dict[str, Mapping[str, object]]:
    """MR-mAP and MR-R1 at ten thresholds in every length range, in the layout of the official tool."""
    tables: dict[str, Mapping[str, object]] = {}
    for result in results:
        ap = {str(m): percent(result.ap[:, at]) for at, m in enumerate(AP_THRESHOLDS)}
        ap["average"] = percent(result.ap.mean(axis=1))
        r1 = {str(m): percent(result.r1(m)) if decided else None for m in AP_THRESHOLDS}
        tables[result.length.name] = {"MR-mAP": ap, "MR-R1": r1}
    return tables


def percent(values: FloatArray) -> float | None:
    """100 x mean over the queries that count, two decimals; None where none does."""
    counted = values[~np.isnan(values)]
    return float(f"{100 * counted.mean():.2f}") if len(counted) else None


def list_warnings(lists: Sequence[FloatArray], convention: str) -> list[str]:
    """Empty, unsorted and over-long lists, each counted."""
    empty = sum(len(each) == 0 for each in lists)
    unsorted = sum(bool((np.diff(each[:, 2]) > 0).any()) for each in lists)
    long = sum(len(each) > AP_WINDOWS for each in lists)
    found = []
    if empty:
        effect = "left mAP, R1 undefined: the official tool fails" if convention == "qvhighlights" else "count as 0"
        found.append(f"{counted(empty, 'empty list')} ({effect})")
    if unsorted:
        found.append(
            f"{unsorted} lists are not sorted by score: MR-*-R1 takes the first row, mAP, R1, R5, mIoU the best"
        )
    if long:
        found.append(f"{long} lists are longer than {AP_WINDOWS} windows: mAP reads the first {AP_WINDOWS} rows")
    return found
