"""Several runs of one system: the mean over seeds, its spread, and tables of systems by metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.bootstrap import Interval
from coarse_to_fine.evaluation.report import Report


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over runs.

    Attributes:
        name: the metric.
        mean: over the runs.
        deviation: sample standard deviation over the runs; None for one run.
        values: of each run, in order.
        interval: 95 % interval over videos, the mean of the runs' intervals: what the choice of videos leaves open.
        chance: the value of a system that guesses.
        queries: N.
    """

    name: str
    mean: float
    deviation: float | None
    values: tuple[float, ...]
    interval: Interval | None
    chance: float | None
    queries: int

    def to_json(self) -> dict[str, object]:
        """Plain values, two decimals."""
        return {
            "mean": round(self.mean, 2),
            "std": None if self.deviation is None else round(self.deviation, 2),
            "runs": [round(value, 2) for value in self.values],
            "interval_95": None
            if self.interval is None
            else [round(self.interval.low, 2), round(self.interval.high, 2)],
            "chance": None if self.chance is None else round(self.chance, 2),
            "queries": self.queries,
        }


def spread_over_runs(reports: Sequence[Report]) -> dict[str, Spread]:
    """Every metric that all runs have, by name.

    Raises:
        DataError: no run, or runs over different queries or galleries.
    """
    sizes = {(report.queries, report.videos, report.truth, report.split) for report in reports}
    if len(sizes) != 1:
        raise DataError(
            f"runs over {sorted(sizes)}; expected the same queries and videos in at least one run; split them"
        )
    tables = [{metric.name: metric for metric in report.metrics if metric.value is not None} for report in reports]
    found = {}
    for name, first in tables[0].items():
        if not all(name in table for table in tables):
            continue
        values = tuple(float(table[name].value or 0.0) for table in tables)
        ranges = [table[name].interval for table in tables]
        known = [each for each in ranges if each is not None]
        interval = None
        if known and len(known) == len(ranges):
            interval = Interval(float(np.mean([e.low for e in known])), float(np.mean([e.high for e in known])))
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found[name] = Spread(name, float(np.mean(values)), deviation, values, interval, first.chance, first.queries)
    return found


def markdown_table(systems: Mapping[str, Sequence[Report]], metrics: Sequence[str]) -> str:
    """Systems as rows, metrics as columns: `mean ± std over runs [95 % over videos]`, a chance line, N in the head.

    Args:
        systems: reports of the runs of each system, by name; all over the same queries.
        metrics: names of metrics; one that a system does not have is left blank.

    Raises:
        DataError: systems over different queries.
    """
    everything = [report for reports in systems.values() for report in reports]
    spread_over_runs(everything)
    rows = {name: spread_over_runs(reports) for name, reports in systems.items()}
    known = {metric: next((row[metric] for row in rows.values() if metric in row), None) for metric in metrics}
    first = everything[0]
    head = " | ".join(f"{name}{f' (N = {at.queries})' if at else ''}" for name, at in known.items())
    lines = [
        f"{first.truth}, split {first.split}: |Q| = {first.queries}, |V| = {first.videos}; "
        "mean over runs ± standard deviation [95 % interval, bootstrap over videos]",
        "",
        f"| system | {head} |",
        "|---" * (len(metrics) + 1) + "|",
        *(f"| {name} | {' | '.join(_cell(row.get(metric)) for metric in metrics)} |" for name, row in rows.items()),
    ]
    chance = [known[metric].chance if known[metric] is not None else None for metric in metrics]  # type: ignore[union-attr]
    if any(value is not None for value in chance):
        lines.append(f"| chance | {' | '.join('' if value is None else f'{value:.2f}' for value in chance)} |")
    return "\n".join(lines) + "\n"


def _cell(found: Spread | None) -> str:
    if found is None:
        return ""
    deviation = "" if found.deviation is None else f" ± {found.deviation:.2f}"
    interval = "" if found.interval is None else f" [{found.interval.low:.2f}, {found.interval.high:.2f}]"
    return f"{found.mean:.2f}{deviation}{interval}"
