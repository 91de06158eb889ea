"""TVSum and YouTube Highlights in Lighthouse's JSON lines: one label row per clip and annotator, no windows.

Source: Song et al., CVPR 2015; Sun et al., ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError, number, require, sentence
from coarse_to_fine.datasets.source import Source, json_lines


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line; the labels stay in the extras."""
    for item in json_lines(source):
        if isinstance(item, RowError):
            yield item
            continue
        line, row = item
        try:
            require(row, ("qid", "query", "duration", "vid", "label"), line)
            text = sentence(row["query"], "query", line)
            duration_s = number(row["duration"], "duration", line)
            extras = {name: value for name, value in row.items() if name not in ("qid", "query", "duration", "vid")}
            yield RawRow(line, str(row["qid"]), str(row["vid"]), text, None, duration_s, None, extras)
        except RowError as error:
            yield error
