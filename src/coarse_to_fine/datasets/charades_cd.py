"""Charades-CD, Charades-STA re-split by moment distribution: `{video: {timestamps (s), sentences, video_duration}}`.

Source: Yuan et al., 2021. Its videos are those of Charades-STA: never train on one and test on the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError
from coarse_to_fine.datasets.source import Source
from coarse_to_fine.datasets.timestamps import rows_by_video, seconds_timing

FIELDS = ("timestamps", "sentences", "video_duration", "framestamps", "decode_fps", "video_fps", "encoded_sentences")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per sentence; ids are `<video>:<k>`."""
    yield from rows_by_video(source, seconds_timing("video_duration"), FIELDS)
