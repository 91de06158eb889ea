"""A report: metrics that each say over how many queries, with the split, the conventions and what was noticed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coarse_to_fine.arguments import require_path
from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.errors import UserError
from coarse_to_fine.evaluation.columns import Metric
from coarse_to_fine.spelling import did_you_mean
from coarse_to_fine.wording import first_of

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 12
"""Metrics that a message names."""


@dataclass(frozen=True, slots=True)
class Section:
    """A group of metrics under one heading."""

    title: str
    metrics: tuple[Metric, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        task: moments, highlights, videos, corpus or pipeline.
        convention: the rules in force, by name.
        split, truth, predictions: what was evaluated.
        queries, videos: |Q| and |V| (size of the gallery; 0 where the files name no video).
        sections: the metrics.
        rules: what the convention means, in words.
        warnings: what makes a number weaker than it looks: empty lists, unsorted lists, missing answers.
        official: the numbers in the layout of the official tool, where there is one.
        figures: series for plots: curves, classes, timelines, by name.
    """

    task: str
    convention: str
    split: str
    truth: str
    predictions: str
    queries: int
    videos: int
    sections: tuple[Section, ...]
    rules: str = ""
    warnings: tuple[str, ...] = ()
    official: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric, section after section."""
        return tuple(metric for section in self.sections for metric in section.metrics)

    def value(self, name: str) -> float | None:
        """One metric by name, unrounded.

        Raises:
            UserError: there is no such metric.
        """
        values = {metric.name: metric.value for metric in self.metrics}
        if name not in values:
            raise UserError(
                f"no metric {name!r} in this report of {self.task}; expected one of {first_of([*values], SHOWN)}; "
                + (did_you_mean(str(name), values) or "see `metrics` of the report")
            )
        return values[name]

    def to_json(self) -> dict[str, Any]:
        """Plain values; `metrics` maps each name to its number, `details` says N, interval, chance and rule."""
        details = {metric.name: metric.to_json() for metric in self.metrics}
        return {
            "task": self.task,
            "convention": self.convention,
            "rules": self.rules,
            "split": self.split,
            "truth": self.truth,
            "predictions": self.predictions,
            "queries": self.queries,
            "videos": self.videos,
            "metrics": {name: found["value"] for name, found in details.items()},
            "details": details,
            "sections": {section.title: [metric.name for metric in section.metrics] for section in self.sections},
            "warnings": list(self.warnings),
            "official": dict(self.official),
            "figures": dict(self.figures),
        }

    def write_json(self, path: str | Path) -> None:
        """One JSON document."""
        require_path(path, "path")
        write_text_atomically(Path(path), json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")

    def to_table(self) -> Table:
        """A table for a terminal."""
        from rich.markup import escape
        from rich.table import Table

        notes = escape("\n".join(self.warnings)) or None
        table = Table(title=escape(self.title()), caption=notes, title_justify="left", caption_justify="left")
        table.add_column("metric", overflow="fold")
        chance = has_chance(self.metrics)
        for name in ("value", "95 % over videos", *(("chance",) if chance else ()), "N"):
            table.add_column(name, justify="right", no_wrap=name != "95 % over videos", min_width=min(len(name), 6))
        for section in self.sections:
            table.add_section()
            table.add_row(f"[bold]{section.title}[/bold]" + (f"\n{section.note}" if section.note else ""))
            for metric in section.metrics:
                table.add_row(*table_cells(metric, chance))
        return table

    def title(self) -> str:
        """Task, split, sizes and rules, by name and in words, in one line."""
        gallery = f", |V| = {self.videos}" if self.videos else ""
        rules = f"{self.convention} ({self.rules})" if self.rules else self.convention
        return f"{self.task} on {self.truth} (split {self.split}), |Q| = {self.queries}{gallery}, rules: {rules}"


def has_chance(metrics: Iterable[Metric]) -> bool:
    """Whether a column for chance would have an entry."""
    return any(metric.chance is not None for metric in metrics)


def table_cells(metric: Metric, chance: bool = True) -> tuple[str, ...]:
    """Name, value, interval, chance (where asked for) and N as text; a value below one that does not look is marked."""
    mark = f" < {', '.join(metric.below)}" if metric.below else ""
    interval = "" if metric.interval is None else f"{metric.interval.low:.2f} – {metric.interval.high:.2f}"
    value = "–" if metric.value is None else f"{metric.value:.2f}{mark}"
    by_chance = ("" if metric.chance is None else f"{metric.chance:.2f}",) if chance else ()
    return metric.name, value, interval, *by_chance, str(metric.queries)
