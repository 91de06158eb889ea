"""One metric as a column of values, one a query: what means, intervals, breakdowns and comparisons are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coarse_to_fine.evaluation.bootstrap import RESAMPLES, Interval, bootstrap_intervals
from coarse_to_fine.evaluation.overlap import Float64, FloatArray

PERCENT = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One metric of every query.

    Attributes:
        name: the metric, with its K and threshold.
        values: (Q,) a fraction (or a rank); NaN where the query does not count for this metric.
        scale: what the mean is multiplied by; 100 gives percent, 1 leaves ranks and seconds.
        reduce: how the queries are joined.
        chance: the value of a system that guesses, in the unit of the metric.
        blind: the value of one span for every query, which sees neither video nor text, in the unit of the metric.
        rule: K, threshold and tie rule in words.
    """

    name: str
    values: Float64[FloatArray, " Q"]
    scale: float = PERCENT
    reduce: Literal["mean", "median"] = "mean"
    chance: float | None = None
    blind: float | None = None
    rule: str = ""

    @property
    def counted(self) -> int:
        """Queries that count."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    @property
    def value(self) -> float | None:
        """The metric; None where no query counts."""
        if self.counted == 0:
            return None
        joined = np.nanmean(self.values) if self.reduce == "mean" else np.nanmedian(self.values)
        return float(self.scale * joined)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a report.

    Attributes:
        name: the metric, with its K and threshold.
        value: in percent where `unit` is "%"; None where no query counts.
        unit: "%" or "".
        queries: N, the queries that count.
        interval: 95 % interval of a bootstrap over videos.
        chance: the value of a system that guesses.
        blind: the value of one span for every query.
        rule: K, threshold and tie rule in words.
    """

    name: str
    value: float | None
    unit: str
    queries: int
    interval: Interval | None = None
    chance: float | None = None
    blind: float | None = None
    rule: str = ""

    @property
    def below(self) -> tuple[str, ...]:
        """What does better without looking: `chance`, `query-blind`."""
        lines = {"chance": self.chance, "query-blind": self.blind}
        value = self.value
        return tuple(name for name, line in lines.items() if value is not None and line is not None and value < line)

    def to_json(self) -> dict[str, object]:
        """Plain values, rounded to two decimals as the official tools print them."""
        found: dict[str, object] = {"value": _rounded(self.value), "unit": self.unit, "queries": self.queries}
        if self.interval is not None:
            found["interval_95"] = [_rounded(self.interval.low), _rounded(self.interval.high)]
        if self.chance is not None:
            found["chance"] = _rounded(self.chance)
        if self.blind is not None:
            found["query_blind"] = _rounded(self.blind)
        if self.rule:
            found["rule"] = self.rule
        return found


def summarise(
    columns: Sequence[Column], clusters: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Metric, ...]:
    """The metric of every column, means with their interval over clusters (videos); 0 resamples: no interval."""
    means = [column for column in columns if column.reduce == "mean" and column.counted]
    intervals: dict[str, Interval] = {}
    if resamples and means:
        values = np.stack([column.values for column in means], axis=1)
        found = bootstrap_intervals(values, clusters, resamples, seed)
        intervals = {
            column.name: Interval(column.scale * each.low, column.scale * each.high)
            for column, each in zip(means, found)
        }
    return tuple(
        Metric(
            column.name,
            column.value,
            "%" if column.scale == PERCENT else "",
            column.counted,
            intervals.get(column.name),
            column.chance,
            column.blind,
            column.rule,
        )
        for column in columns
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(f"{value:.2f}")
