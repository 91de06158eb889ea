"""MSR-VTT: the JSFUSION test list, a csv `key,vid_key,video_id,sentence`.

Source: Xu et al., CVPR 2016; the 1k-A split of Yu et al., ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coarse_to_fine.datasets.rows import RawRow, RowError, read_each, require, sentence, unknown_fields
from coarse_to_fine.datasets.source import Source, csv_rows

FIELDS = ("key", "video_id", "sentence")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per caption; durations are not in the file."""
    return read_each(csv_rows(source), _pair)


def _pair(line: int, row: dict[str, Any]) -> RawRow:
    require(row, FIELDS, line)
    text = sentence(row["sentence"], "sentence", line)
    return RawRow(line, row["key"], row["video_id"], text, None, None, None, {}, unknown_fields(row, FIELDS))
