"""Where the first frame of a file lies on the time line that players show, from the head of the file alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av

from coarse_to_fine.video.container import open_container, pick_video_stream


@dataclass(frozen=True, slots=True)
class PlayerClock:
    """Times on the time line of the container, seconds.

    Attributes:
        begins_s: start of its earliest stream; 0 in most files, some players count from here and some do not.
        first_frame_s: start of the pictures, from which all times in this package count.
        shows_first: whether the stream that this package reads is the first of several, which players show.
    """

    begins_s: float
    first_frame_s: float
    shows_first: bool


def player_clock(path: str | Path) -> PlayerClock:
    """Reads the time line of a file; takes milliseconds, for no packet but the first ones is read.

    Raises:
        VideoError: the file cannot be opened or holds no video.
    """
    path = Path(path)
    with open_container(path) as container:
        stream, streams = pick_video_stream(path, container)
        is_first = stream is streams[0]
        begins_s = float(container.start_time or 0) / av.time_base
        if stream.start_time is None or stream.time_base is None:
            return PlayerClock(begins_s, begins_s, is_first)
        return PlayerClock(begins_s, float(stream.start_time * stream.time_base), is_first)
