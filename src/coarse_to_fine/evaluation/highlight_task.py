"""The task `highlights`: saliency curves against the clips that annotators marked."""

from __future__ import annotations

import math
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
from coarse_to_fine.evaluation.truth import CLIP_SECONDS, TruthQuery
from coarse_to_fine.wording import counted, first_of


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
            f"{aligned.truth.source}: {counted(len(bare), 'query has', 'queries have')} neither saliency_scores nor "
            f"label ({first_of(bare)}); expected what annotators said of each clip; take a split with labels"
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


def curve_columns(aligned: Aligned) -> list[Column]:
    """`highlight_columns` where the truth has saliency; else the clips inside true windows are the positive ones.

    Nothing where no answer holds a curve, or a duration is not known.
    """
    if has_highlights(aligned):
        return highlight_columns(aligned)
    queries = aligned.truth.queries
    if all(answer.saliency is None for answer in aligned.answers) or any(q.duration_s is None for q in queries):
        return []
    inside = {query.query_id: clips_inside(query) for query in queries}
    ap = _each(aligned, lambda curve, query: float(highlight_ap(curve, inside[query.query_id], 1.0)[0]))
    hit = _each(aligned, lambda curve, query: highlight_hit(curve, inside[query.query_id], 1.0))
    rule = "a clip is positive if its middle lies in a true window"
    return [Column("HL-window-mAP", ap, rule=rule), Column("HL-window-Hit1", hit, rule=rule)]


def clips_inside(query: TruthQuery) -> FloatArray:
    """(n, 1): 1 for the clips of 2 s whose middle lies in a true window; the last clip is cut by the end."""
    assert query.duration_s is not None
    starts = np.arange(math.ceil(query.duration_s / CLIP_SECONDS)) * CLIP_SECONDS
    middles = (starts + np.minimum(starts + CLIP_SECONDS, query.duration_s)) / 2
    inside = (middles[:, None] >= query.windows[None, :, 0]) & (middles[:, None] < query.windows[None, :, 1])
    marks: FloatArray = inside.any(axis=1, keepdims=True).astype(np.float64)
    return marks


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
    """The value of every query; an absent answer is 0 (an empty curve is padded like any short one)."""
    curves = [answer.saliency for answer in aligned.answers]
    pairs = zip(curves, aligned.truth.queries)
    return np.array([0.0 if curve is None else value(curve, query) for curve, query in pairs])


def _scores(query: TruthQuery) -> FloatArray:
    assert query.relevance is not None
    return query.relevance


def _labels(query: TruthQuery) -> FloatArray:
    assert query.labels is not None
    return query.labels
