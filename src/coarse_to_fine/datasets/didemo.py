"""DiDeMo: the retrieval csv of T-MASS (one paragraph a video) and the original JSON (segments of 5 s).

Source: Hendricks et al., ICCV 2017.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from coarse_to_fine.datasets.rows import RawRow, RowError, require, sentence, windows
from coarse_to_fine.datasets.source import Source, csv_rows, json_document

CSV_FIELDS = ("video_path", "starts", "ends", "text")
TENSOR = re.compile(r"^tensor\(\[+(-?\d+(?:\.\d+)?)\]+\)$")
SEGMENT_S = 5.0
LONGEST_S = 30.0


def csv_captions(source: Source) -> Iterator[RawRow | RowError]:
    """One paragraph a video; the video id is the base name, since the path is of another machine."""
    for item, (line, row) in enumerate(csv_rows(source)):
        try:
            require(row, CSV_FIELDS, line)
            name = PurePosixPath(row["video_path"]).name
            times = {"start_s": _tensor(row["starts"], "starts", line), "end_s": _tensor(row["ends"], "ends", line)}
            yield RawRow(
                line, f"{name}:{item}", name, sentence(row["text"], "text", line), None, None, None, dict(times)
            )
        except RowError as error:
            yield error


def segment_moments(source: Source) -> Iterator[RawRow | RowError]:
    """The original rows: `times` are indices of 5 s segments, both ends inclusive, so [2, 2] is 10 to 15 s."""
    document = json_document(source)
    for item, row in enumerate(document if isinstance(document, list) else []):
        try:
            require(row, ("annotation_id", "video", "description", "times"), item)
            segments = list(dict.fromkeys(windows(row["times"], "times", item)))
            if any(start > end for start, end in segments):
                segments = [(min(pair), max(pair)) for pair in segments]
            moments = [(start * SEGMENT_S, (end + 1) * SEGMENT_S) for start, end in segments]
            text = sentence(row["description"], "description", item)
            extras = {"times": row["times"], "num_segments": row.get("num_segments")}
            duration_s = float(row.get("num_segments") or LONGEST_S / SEGMENT_S) * SEGMENT_S
            yield RawRow(item, str(row["annotation_id"]), str(row["video"]), text, moments, duration_s, None, extras)
        except RowError as error:
            yield error


def _tensor(text: str, name: str, line: int) -> float:
    found = TENSOR.match(text.strip())
    if found is None:
        raise RowError("E04", line, f"{name} is {text!r}; expected tensor([[seconds]])")
    return float(found.group(1))
