"""Two prediction files on one truth: what changed, whether the change is decided, which queries were won and lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coarse_to_fine.errors import ConfigError
from coarse_to_fine.evaluation.alignment import Missing, align
from coarse_to_fine.evaluation.bootstrap import RESAMPLES, PairedDifference, paired_bootstrap
from coarse_to_fine.evaluation.columns import Column
from coarse_to_fine.evaluation.evaluate import (
    check_names,
    check_resamples,
    check_thresholds,
    read_for,
    task_columns,
)
from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS, Lengths
from coarse_to_fine.evaluation.predictions import Predictions, read_predictions
from coarse_to_fine.evaluation.truth import Truth, TruthQuery
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from rich.table import Table

DECIDING = {"moments": "R1@0.5", "highlights": "", "videos": "MRR", "corpus": "VCMR-R1@0.5"}
"""The metric by which a query is won or lost, at the lowest IoU threshold where 0.5 is none; the first where that is
none of the metrics either."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One metric of both files, in its own unit; `paired` is b - a in that unit."""

    name: str
    a: float
    b: float
    queries: int
    paired: PairedDifference


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query whose deciding value differs."""

    query_id: str
    text: str
    video_id: str | None
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from file a to file b.

    Attributes:
        task, convention, split: what was evaluated.
        a, b: names of the prediction files.
        queries: |Q|.
        changes: every metric that both files have.
        deciding: name of the metric that decides a query.
        won, lost: queries that b answers better or worse, the largest change first.
        warnings: of both files.
    """

    task: str
    convention: str
    split: str
    a: str
    b: str
    queries: int
    changes: tuple[MetricChange, ...]
    deciding: str
    won: tuple[QueryChange, ...]
    lost: tuple[QueryChange, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; `won` and `lost` list the query ids with both values."""
        return {
            "task": self.task,
            "convention": self.convention,
            "split": self.split,
            "a": self.a,
            "b": self.b,
            "queries": self.queries,
            "metrics": {change.name: _change_as_json(change) for change in self.changes},
            "deciding": self.deciding,
            "won": [_query_as_json(query) for query in self.won],
            "lost": [_query_as_json(query) for query in self.lost],
            "warnings": list(self.warnings),
        }

    def to_table(self, shown: int = 10) -> Table:
        """A table for a terminal: the metrics, then the first queries won and lost."""
        from rich.markup import escape
        from rich.table import Table

        title = f"{self.task}: {self.a} -> {self.b}, |Q| = {self.queries}, paired bootstrap over videos"
        caption = f"by {self.deciding}: {counted(len(self.won), 'query', 'queries')} won, {len(self.lost)} lost"
        table = Table(title=escape(title), caption=caption, title_justify="left", caption_justify="left")
        table.add_column("metric")
        for name in ("a", "b", "b - a", "95 % over videos", "decided", "N"):
            table.add_column(name, justify="right")
        for change in self.changes:
            table.add_row(change.name, *_cells(change))
        for heading, queries in (("won", self.won), ("lost", self.lost)):
            table.add_section()
            for query in queries[:shown]:
                table.add_row(escape(f"{heading}: {query.query_id} {query.text}"), f"{query.a:.2f}", f"{query.b:.2f}")
        return table


def compare_predictions(
    task: str,
    truth_path: str | Path,
    a_path: str | Path,
    b_path: str | Path,
    convention: str = "default",
    *,
    deciding: str | None = None,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    lengths: Lengths = "qvhighlights",
    missing: Missing = "refuse",
    resamples: int = RESAMPLES,
    seed: int = 0,
    gallery: str | Path | None = None,
) -> Comparison:
    """Evaluate two prediction files in pairs; see `evaluate_predictions` for the arguments.

    Args:
        deciding: the metric by which a query is won or lost; None: R1@0.5, VCMR-R1@0.5 or MRR by task; without
            the threshold 0.5 the same recall at the lowest threshold; under other names the first metric.

    Raises:
        ConfigError: an unknown task, convention, set of lengths or deciding metric, or a threshold that is no IoU.
        DataError: a file that does not hold what the task needs.
    """
    check_names(task, convention, missing, lengths)
    check_resamples(resamples, seed)
    truth = read_for(convention, truth_path, gallery=Path(gallery) if gallery is not None else None)
    answers = read_predictions(a_path), read_predictions(b_path)
    return compare(task, truth, *answers, convention, deciding, missing, resamples, seed, thresholds, lengths)


def compare(
    task: str,
    truth: Truth,
    a: Predictions,
    b: Predictions,
    convention: str = "default",
    deciding: str | None = None,
    missing: Missing = "refuse",
    resamples: int = RESAMPLES,
    seed: int = 0,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    lengths: Lengths = "qvhighlights",
) -> Comparison:
    """`compare_predictions` for files that are already read; `missing="drop"` keeps the queries that both answer."""
    check_names(task, convention, missing, lengths)
    check_thresholds(thresholds)
    if missing == "drop":
        truth = truth.with_queries(q for q in truth.queries if q.query_id in a.by_id and q.query_id in b.by_id)
        a, b = (
            Predictions({q.query_id: each.by_id[q.query_id] for q in truth.queries}, each.source) for each in (a, b)
        )
    first, second = align(truth, a, missing), align(truth, b, missing)
    groups = [task_columns(task, each, convention, thresholds, lengths) for each in (first, second)]
    columns = [{column.name: column for part in found.values() for column in part} for found, _, _ in groups]
    shared = [name for name in columns[0] if name in columns[1] and columns[0][name].reduce == "mean"]
    changes = [_change(columns[0][name], columns[1][name], first.clusters, resamples, seed) for name in shared]
    name = deciding or _deciding(task, shared, thresholds)
    if name not in shared:
        raise ConfigError(f"deciding metric is {name!r}; expected one of {', '.join(shared)}; name one of them")
    won, lost = _won_and_lost(first.truth.queries, columns[0][name], columns[1][name])
    return Comparison(
        task=task,
        convention=convention,
        split=truth.split,
        a=a.source,
        b=b.source,
        queries=len(first.truth.queries),
        changes=tuple(change for change in changes if change is not None),
        deciding=name,
        won=won,
        lost=lost,
        warnings=(
            *truth.notes,
            *(
                f"{name}: {warning}"
                for name, each, found in (("a", first, groups[0]), ("b", second, groups[1]))
                for warning in (*each.warnings, *found[2])
            ),
        ),
    )


def _deciding(task: str, names: Sequence[str], thresholds: Sequence[float]) -> str:
    usual = DECIDING[task]
    lowest = f"{usual.partition('@')[0]}@{min(thresholds)}"
    return next((name for name in (usual, lowest) if name in names), names[0])


def _change(a: Column, b: Column, clusters: Sequence[str], resamples: int, seed: int) -> MetricChange | None:
    both = ~np.isnan(a.values) & ~np.isnan(b.values)
    if not both.any():
        return None
    left, right = (np.where(both, a.scale * column.values, np.nan) for column in (a, b))
    paired = paired_bootstrap(left, right, clusters, max(resamples, 1), seed)
    return MetricChange(a.name, float(np.nanmean(left)), float(np.nanmean(right)), int(both.sum()), paired)


def _won_and_lost(
    queries: Sequence[TruthQuery], a: Column, b: Column
) -> tuple[tuple[QueryChange, ...], tuple[QueryChange, ...]]:
    delta = np.nan_to_num(b.values - a.values)
    order = np.argsort(-np.abs(delta), kind="stable")

    def listed(sign: int) -> tuple[QueryChange, ...]:
        return tuple(
            QueryChange(
                queries[at].query_id, queries[at].text, queries[at].video_id, float(a.values[at]), float(b.values[at])
            )
            for at in order.tolist()
            if sign * delta[at] > 0
        )

    return listed(1), listed(-1)


def _cells(change: MetricChange) -> tuple[str, ...]:
    low, high = change.paired.interval.low, change.paired.interval.high
    return (
        f"{change.a:.2f}",
        f"{change.b:.2f}",
        f"{change.paired.difference:+.2f}",
        f"{low:+.2f} – {high:+.2f}",
        "yes" if change.paired.decided else "no",
        str(change.queries),
    )


def _change_as_json(change: MetricChange) -> dict[str, Any]:
    return {
        "a": round(change.a, 2),
        "b": round(change.b, 2),
        "difference": round(change.paired.difference, 2),
        "interval_95": [round(change.paired.interval.low, 2), round(change.paired.interval.high, 2)],
        "decided": change.paired.decided,
        "share_of_resamples_with_b_better": round(change.paired.share_better, 3),
        "queries": change.queries,
    }


def _query_as_json(query: QueryChange) -> dict[str, Any]:
    return {
        "query_id": query.query_id,
        "text": query.text,
        "video_id": query.video_id,
        "a": round(query.a, 4),
        "b": round(query.b, 4),
    }
