"""Which videos of a library may be found: by path and by date."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from coarse_to_fine.arguments import require_kind
from coarse_to_fine.errors import UserError
from coarse_to_fine.library import StoredVideo

UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def chosen_videos(videos: Iterable[StoredVideo], path: str | None = None, since: datetime | None = None) -> list[str]:
    """Ids of the videos that fulfil every condition.

    Args:
        videos: usually `library.videos()`.
        path: shell pattern that the name or the absolute path must match: `*.mp4`, `*/2024/*`.
        since: the file was last changed at this time or later; without a time zone it is local time.

    Raises:
        UserError: what is given are no videos, no pattern or no time.

    Example:
        pipeline = Pipeline.load("videos.ctf")
        among = chosen_videos(pipeline.library.videos(), path="*/holidays/*")
        pipeline.search("a dog jumps into the water", among=among)
    """
    require_kind(videos, Iterable, "videos", "stored videos", "give library.videos()")
    require_kind(path, str | None, "path", "a shell pattern", 'give one as text, such as "*.mp4"')
    step = "give datetime(2024, 5, 31), or read_since('7d') of coarse_to_fine.main_pipeline.choosing"
    require_kind(since, datetime | None, "since", "a datetime", step)
    videos = list(videos)
    for video in videos:
        require_kind(video, StoredVideo, "one of the videos", "a stored video", "give library.videos()")
    earliest_us = None if since is None else _microseconds(since)
    return [
        video.video_id
        for video in videos
        if path is None or fnmatch.fnmatch(Path(video.path).name, path) or fnmatch.fnmatch(video.path, path)
        if earliest_us is None or round(video.mtime_ns / 1000) >= earliest_us
    ]


def _microseconds(time: datetime) -> int:
    """Since 1970: the precision of a datetime."""
    try:
        return round(time.timestamp() * 1e6)
    except (ValueError, OverflowError, OSError):
        raise UserError(f"since is {time}; expected a time that a file can have; give one since 1970") from None


def read_since(text: str, now: datetime | None = None) -> datetime:
    """A time from what a person writes: `2024-05-31`, `2024-05-31T18:00`, or back from now: `12h`, `7d`, `2w`.

    Args:
        text: what was written.
        now: local time; None: this moment.

    Raises:
        UserError: neither of these.

    Example:
        >>> read_since("2d", datetime(2024, 6, 3, 12))
        datetime.datetime(2024, 6, 1, 12, 0)
    """
    require_kind(text, str, "the date", "text", "write 2024-05-31, or a time back from now such as 7d")
    back = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if back:
        return (now or datetime.now()) - timedelta(**{UNITS[back[2]]: int(back[1])})
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise UserError(
            f"the date is {text!r}; expected one such as 2024-05-31, 2024-05-31T18:00, or a time back from now such as "
            "12h, 7d, 2w; write it so"
        ) from None
