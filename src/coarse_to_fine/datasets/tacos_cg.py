"""TACoS-CG: a JSON list of `{video_id, summarized_sentence, fps, num_frames}`, coarse captions of TACoS videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError, number, require, sentence, unknown_fields
from coarse_to_fine.datasets.source import Source, json_document

FIELDS = ("video_id", "summarized_sentence", "fps", "num_frames")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per caption; ids are `<video without .avi>#c<k>`."""
    document = json_document(source)
    if not isinstance(document, list):
        raise RowError("E02", 1, f"a JSON {type(document).__name__}; expected a list of captions")
    seen: Counter[str] = Counter()
    for item, row in enumerate(document):
        try:
            if not isinstance(row, dict):
                raise RowError("E04", item, f"a JSON {type(row).__name__}; expected an object")
            require(row, FIELDS, item)
            video_id = str(row["video_id"]).removesuffix(".avi")
            text = sentence(row["summarized_sentence"], "summarized_sentence", item)
            fps = number(row["fps"], "fps", item)
            if fps <= 0:
                raise RowError("E09", item, f"fps is {fps}; expected more than 0")
            duration_s = number(row["num_frames"], "num_frames", item) / fps
        except RowError as error:
            yield error
            continue
        yield RawRow(
            item, f"{video_id}#c{seen[video_id]}", video_id, text, None, duration_s, fps, unknown_fields(row, FIELDS)
        )
        seen[video_id] += 1
