"""Charades-STA: lines `<video> <start> <end>##<sentence>`; durations stand in another file.

Source: Gao et al., TALL, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from coarse_to_fine.datasets.rows import RawRow, RowError, parse_number, sentence
from coarse_to_fine.datasets.source import Source, csv_rows, read_source, text_lines
from coarse_to_fine.errors import DataError

DURATION_COLUMNS = (("video_id", "duration"), ("id", "length"))


def rows(source: Source, durations: Mapping[str, float], split: str) -> Iterator[RawRow | RowError]:
    """One row per line; ids are `<split>:<1-based line>`, stable when rows are dropped."""
    for line, text in text_lines(source):
        try:
            head, mark, words = text.partition("##")
            fields = head.split()
            if not mark or len(fields) != 3:
                raise RowError("E02", line, f"{text[:60]!r}; expected '<video> <start> <end>##<sentence>'")
            window = (parse_number(fields[1], "start", line), parse_number(fields[2], "end", line))
            yield RawRow(
                line,
                f"{split}:{line}",
                fields[0],
                sentence(words, "sentence", line),
                [window],
                durations.get(fields[0]),
            )
        except RowError as error:
            yield error


def read_durations(path: Path) -> dict[str, float]:
    """Seconds by video id from `video_id,...,duration` or from the Charades table (`id` first, `length` last).

    Raises:
        DataError: no such columns, or a duration that is no number.
    """
    found: dict[str, float] = {}
    try:
        for row in csv_rows(read_source(path)):
            if isinstance(row, RowError):
                raise row
            line, cells = row
            names = next((pair for pair in DURATION_COLUMNS if set(pair) <= cells.keys()), None)
            if names is None:
                raise RowError("E03", line, f"columns {list(cells)}; expected video_id and duration, or id and length")
            found[cells[names[0]]] = parse_number(cells[names[1]], names[1], line)
    except RowError as error:
        raise DataError(f"{path}, line {error.refusal.line}: {error}") from None
    return found


def find_durations(annotation: Path) -> dict[str, float]:
    """Durations from the tables that lie beside an annotation file; empty if there are none."""
    tables = [annotation.parent / "durations.csv", *sorted(annotation.parent.glob("Charades_v1_*.csv"))]
    return {name: value for path in tables if path.exists() for name, value in read_durations(path).items()}
