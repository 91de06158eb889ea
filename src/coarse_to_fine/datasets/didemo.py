"""DiDeMo: the retrieval csv of T-MASS (one paragraph a video) and the original JSON (segments of 5 s).

Source: Hendricks et al., ICCV 2017.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from coarse_to_fine.datasets.rows import (
    RawRow,
    RowError,
    identifier,
    number,
    read_each,
    require,
    sentence,
    shown,
    unknown_fields,
    windows,
)
from coarse_to_fine.datasets.source import Source, csv_rows, json_document, json_list

CSV_FIELDS = ("video_path", "starts", "ends", "text")
TENSOR = re.compile(r"^tensor\(\[+(-?\d+(?:\.\d+)?)\]+\)$")
JSON_FIELDS = ("annotation_id", "video", "description", "times", "num_segments")
SEGMENT_S = 5.0
LONGEST_S = 30.0


def csv_captions(source: Source) -> Iterator[RawRow | RowError]:
    """One paragraph a video; the video id is the base name, since the path is of another machine."""
    for item, row in enumerate(read_each(csv_rows(source), _caption)):
        if isinstance(row, RawRow):
            row.query_id = f"{row.video_id}:{item}"
        yield row


def segment_moments(source: Source) -> Iterator[RawRow | RowError]:
    """The original rows: `times` are indices of 5 s segments, both ends inclusive, so [2, 2] is 10 to 15 s."""
    return read_each(json_list(source, json_document(source)), _moment)


def _caption(line: int, row: dict[str, Any]) -> RawRow:
    require(row, CSV_FIELDS, line)
    name = PurePosixPath(row["video_path"]).name
    times = {"start_s": _tensor(row["starts"], "starts", line), "end_s": _tensor(row["ends"], "ends", line)}
    text = sentence(row["text"], "text", line)
    return RawRow(line, "", name, text, None, None, None, dict(times), unknown_fields(row, CSV_FIELDS))


def _moment(item: int, row: dict[str, Any]) -> RawRow:
    require(row, JSON_FIELDS[:-1], item)
    segments = list(dict.fromkeys(windows(row["times"], "times", item)))
    moments = [(min(pair) * SEGMENT_S, (max(pair) + 1) * SEGMENT_S) for pair in segments]
    count = row.get("num_segments")
    seconds = LONGEST_S if count is None else number(count, "num_segments", item) * SEGMENT_S
    return RawRow(
        item,
        identifier(row["annotation_id"], "annotation_id", item),
        identifier(row["video"], "video", item),
        sentence(row["description"], "description", item),
        moments,
        seconds,
        None,
        {"times": row["times"], "num_segments": count},
        unknown_fields(row, JSON_FIELDS),
    )


def _tensor(text: str, name: str, line: int) -> float:
    found = TENSOR.match(text.strip())
    if found is None:
        raise RowError("E04", line, f"{name} is {shown(text)}; expected tensor([[seconds]])")
    return float(found.group(1))
