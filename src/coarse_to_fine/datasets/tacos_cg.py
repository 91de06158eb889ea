"""TACoS-CG: a JSON list of `{video_id, summarized_sentence, fps, num_frames}`, coarse captions of TACoS videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from coarse_to_fine.datasets.rows import RawRow, RowError, identifier, read_each, require, sentence, unknown_fields
from coarse_to_fine.datasets.source import Source, json_document, json_list
from coarse_to_fine.datasets.timestamps import frames_timing

FIELDS = ("video_id", "summarized_sentence", "fps", "num_frames")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per caption; ids are `<video without .avi>#c<k>`."""
    seen: Counter[str] = Counter()
    for row in read_each(json_list(source, json_document(source)), _row):
        if isinstance(row, RawRow):
            row.query_id = f"{row.video_id}#c{seen[row.video_id]}"
            seen[row.video_id] += 1
        yield row


def _row(item: int, row: dict[str, Any]) -> RawRow:
    require(row, FIELDS, item)
    video_id = identifier(row["video_id"], "video_id", item).removesuffix(".avi")
    text = sentence(row["summarized_sentence"], "summarized_sentence", item)
    duration_s, fps = frames_timing(row, item)
    return RawRow(item, "", video_id, text, None, duration_s, fps, {}, unknown_fields(row, FIELDS))
