"""TVSum and YouTube Highlights in Lighthouse's JSON lines: one label row per clip and annotator, no windows.

Source: Song et al., CVPR 2015; Sun et al., ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coarse_to_fine.datasets.rows import (
    RawRow,
    RowError,
    identifier,
    number,
    parallel,
    read_each,
    require,
    sentence,
    unknown_fields,
)
from coarse_to_fine.datasets.source import Source, json_lines

FIELDS = ("qid", "query", "duration", "vid", "label")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line; the labels stay in the extras."""
    return read_each(json_lines(source), _row)


def _row(line: int, row: dict[str, Any]) -> RawRow:
    require(row, FIELDS, line)
    parallel({"label": row["label"]}, line)
    return RawRow(
        line,
        identifier(row["qid"], "qid", line),
        identifier(row["vid"], "vid", line),
        sentence(row["query"], "query", line),
        None,
        number(row["duration"], "duration", line),
        None,
        {"label": row["label"]},
        unknown_fields(row, FIELDS),
    )
