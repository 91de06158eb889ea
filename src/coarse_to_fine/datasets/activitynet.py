"""ActivityNet Captions: `{video: {duration, timestamps in seconds, sentences}}`.

Source: Krishna et al., ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError
from coarse_to_fine.datasets.source import Source
from coarse_to_fine.datasets.timestamps import rows_by_video, seconds_timing

FIELDS = ("timestamps", "sentences", "duration")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per sentence; ids are `<video>:<k>`."""
    yield from rows_by_video(source, seconds_timing("duration"), FIELDS)
