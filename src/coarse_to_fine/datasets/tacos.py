"""TACoS: `{sNN-dNN.avi: {timestamps in frames, sentences, fps, num_frames}}` (the 2D-TAN layout).

Source: Regneri et al., TACL 2013; splits of Gao et al., ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError
from coarse_to_fine.datasets.source import Source
from coarse_to_fine.datasets.timestamps import frames_timing, rows_by_video

FIELDS = ("timestamps", "sentences", "fps", "num_frames")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per sentence; ids are `<video without .avi>_<k>` as in the jsonl of other projects."""
    for row in rows_by_video(source, frames_timing, FIELDS, video_name=lambda key: key.removesuffix(".avi")):
        if isinstance(row, RawRow):
            row.query_id = "_".join(row.query_id.rsplit(":", 1))
        yield row
