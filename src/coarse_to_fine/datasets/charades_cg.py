"""Charades-CG, Charades-STA re-split by composition: `{video: {timestamps (s), sentences, duration, novels | news}}`.

Source: Li et al., CVPR 2022. Its videos are those of Charades-STA: never train on one and test on the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError
from coarse_to_fine.datasets.source import Source
from coarse_to_fine.datasets.timestamps import rows_by_video, seconds_timing

FIELDS = ("timestamps", "sentences", "duration")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per sentence; ids are `<video>:<k>`; `novels` and `news` go to the extras of their sentence."""
    yield from rows_by_video(source, seconds_timing("duration"), FIELDS, query_lists=("novels", "news"))
