"""TACoS: `{sNN-dNN.avi: {timestamps in frames, sentences, fps, num_frames}}` (the 2D-TAN layout).

Source: Regneri et al., TACL 2013; splits of Gao et al., ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coarse_to_fine.datasets.rows import RawRow, RowError, number, require
from coarse_to_fine.datasets.source import Source
from coarse_to_fine.datasets.timestamps import rows_by_video

FIELDS = ("timestamps", "sentences", "fps", "num_frames")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per sentence; ids are `<video without .avi>_<k>` as in the jsonl of other projects."""
    for row in rows_by_video(source, _timing, FIELDS, video_name=lambda key: key.removesuffix(".avi")):
        if isinstance(row, RawRow):
            row.query_id = "_".join(row.query_id.rsplit(":", 1))
        yield row


def _timing(entry: dict[str, Any], item: int) -> tuple[float, float, float | None]:
    require(entry, ("fps", "num_frames"), item)
    fps = number(entry["fps"], "fps", item)
    if fps <= 0:
        raise RowError("E09", item, f"fps is {fps}; expected more than 0")
    return number(entry["num_frames"], "num_frames", item) / fps, 1 / fps, fps
