"""LSMDC: tab-separated lines of six columns, clip id first, caption last.

Source: Rohrbach et al., IJCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError, parse_number, sentence
from coarse_to_fine.datasets.source import Source, text_lines
from coarse_to_fine.wording import counted

DAMAGED = "1012_Unbreakable_00.05.16.065-00.05.21.941"
COLUMNS = 6


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line without the one damaged training clip; the times of the clip in its film go to the extras."""
    for line, text in text_lines(source):
        fields = text.split("\t")
        try:
            if len(fields) != COLUMNS:
                raise RowError("E02", line, f"{counted(len(fields), 'column')}; expected {COLUMNS} separated by tabs")
            clip = fields[0].strip().lstrip('"')
            if clip == DAMAGED:
                continue
            caption = sentence(fields[-1], "caption", line)
            times = [parse_number(value, "time", line) for value in fields[1:3] if _is_number(value)]
            yield RawRow(line, f"{clip}:{line}", clip, caption, None, None, None, {"film_times": times})
        except RowError as error:
            yield error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
