"""The task `highlights`: saliency curves against the clips that annotators marked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.alignment import Aligned
from coarse_to_fine.evaluation.columns import Column
from coarse_to_fine.evaluation.highlights import (
    LEVELS,
    highlight_ap,
    highlight_hit,
    tvsum_top5_ap,
    youtube_ap,
)
from coarse_to_fine.evaluation.moment_task import percent
from coarse_to_fine.evaluation.overlap import FloatArray
from coarse_to_fine.evaluation.truth import TruthQuery

NO_CURVE = np.zeros(0)


def has_highlights(aligned: Aligned) -> bool:
    """Whether truth and predictions both hold saliency for every query (an absent answer aside)."""
    return all((query.relevance is not None or query.labels is not None) for query in aligned.truth.queries) and any(
        answer.saliency is not None for answer in aligned.answers
    )


def highlight_columns(aligned: Aligned) -> list[Column]:
    """HL-min-* where clips have scores of annotators, TVSum's or YouTube's mAP where the set has labels only.

    Raises:
        DataError: the predictions hold no saliency, or the truth of a query holds neither scores nor labels.
    """
    if all(answer.saliency is None for answer in aligned.answers):
        raise DataError(
            f"{aligned.truth.source}: the predictions hold no pred_saliency_scores; expected one score a clip for the "
            "task highlights; name another task"
        )
    queries = aligned.truth.queries
    bare = [query.query_id for query in queries if query.relevance is None and query.labels is None]
    if bare:
        raise DataError(
            f"{aligned.truth.source}: {len(bare)} queries have neither saliency_scores nor label "
            f"({', '.join(bare[:5])}); expected what annotators said of each clip; take a split with labels"
        )
    if queries[0].labels is not None:
        return [_labelled(aligned)]
    found = []
    for level, minimum in LEVELS.items():
        ap = _each(aligned, lambda curve, query: float(highlight_ap(curve, _scores(query), minimum).mean()))  # noqa: B023
        hit = _each(aligned, lambda curve, query: highlight_hit(curve, _scores(query), minimum))  # noqa: B023
        about = f"clips scored {minimum} of 4 or more are positive"
        found.append(Column(f"HL-min-{level}-mAP", ap, rule=f"{about}; mean over annotators"))
        found.append(Column(f"HL-min-{level}-Hit1", hit, rule=f"{about} for any annotator; first maximum on ties"))
    return found


def official_highlights(columns: list[Column]) -> dict[str, dict[str, float | None]]:
    """The values in the layout of the official tool."""
    tables: dict[str, dict[str, float | None]] = {}
    for column in columns:
        if column.name.startswith("HL-min-"):
            name, metric = column.name.rsplit("-", 1)
            tables.setdefault(name, {})[f"HL-{metric}"] = percent(column.values)
    return tables


def _labelled(aligned: Aligned) -> Column:
    annotators = {query.labels.shape[1] for query in aligned.truth.queries if query.labels is not None}
    if annotators == {1}:
        values = _each(aligned, lambda curve, query: youtube_ap(curve, _labels(query)[:, 0] > 0))
        return Column("HL-mAP", values, rule="YouTube Highlights: trapezoid AP of the whole list, stable order")
    values = _each(aligned, lambda curve, query: float(tvsum_top5_ap(curve, _labels(query)).mean()))
    return Column("HL-top5-mAP", values, rule="TVSum: trapezoid AP of the first five clips, mean over annotators")


def _each(aligned: Aligned, value: Callable[[FloatArray, TruthQuery], float]) -> FloatArray:
    curves = [NO_CURVE if answer.saliency is None else answer.saliency for answer in aligned.answers]
    return np.array([value(curve, query) for curve, query in zip(curves, aligned.truth.queries)])


def _scores(query: TruthQuery) -> FloatArray:
    assert query.relevance is not None
    return query.relevance


def _labels(query: TruthQuery) -> FloatArray:
    assert query.labels is not None
    return query.labels
