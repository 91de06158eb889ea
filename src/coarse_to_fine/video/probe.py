"""Learns all that is to be known of a video file in one pass over its packets, without decoding."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.video.video_file import VideoFile


def probe(path: str | Path) -> VideoFile:
    """Frame times, geometry and losses of a file.

    Raises:
        VideoError: no frame can be had from the file; the message is one line without the path.
    """
    raise NotImplementedError
