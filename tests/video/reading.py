"""Reads films and compares the numbers on their pictures with the times at which they should be shown."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from pathlib import Path

from coarse_to_fine.video import PictureSize, VideoFile, probe, read_frames
from tests.video.files import read_code

SMALL = PictureSize(112)
STAMP_ERROR_S = 1e-3

Film = Callable[[str], Path]
"""Gives the path of a film by its name: the fixture `film`."""


def numbers_at(video: VideoFile, times_s: Sequence[float]) -> list[int | None]:
    """Number on the picture of each asked time, None where no number can be read."""
    codes = [read_code(read.picture) for read in read_frames(video, times_s, size=SMALL)]
    return [code[0] if code else None for code in codes]


def shown_at(film_times_s: Sequence[float], times_s: Sequence[float]) -> list[int]:
    """Number of the picture on show at each time, by the times from which the film was made."""
    return [max(0, bisect.bisect_right(film_times_s, time + STAMP_ERROR_S) - 1) for time in times_s]


def numbers_of(path: Path) -> list[int]:
    """Numbers on all pictures of a file; every one must be readable."""
    video = probe(path)
    reads = read_frames(video, video.frame_times_s.tolist())
    codes = [read_code(read.picture, video.height, video.width) for read in reads]
    assert None not in codes
    return [code[0] for code in codes if code]
