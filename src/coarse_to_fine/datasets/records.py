"""The record types that every data set is read into: videos and queries with their true windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """One video of a data set; `fps` is None where the annotation does not state it."""

    video_id: str
    duration_s: float
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class MomentQuery:
    """One sentence with the windows of one video that it describes.

    Attributes:
        query_id: unique within the data set, stable when rows are dropped.
        video_id: the true video.
        text: the sentence, white space normalised.
        windows_s: true windows (start, end) in seconds, 0 <= start < end <= duration; empty for coarse captions.
        split: name of the split.
        source_line: 1-based line or 0-based item in the source file.
        extras: fields of the source that no code of ours reads by name.
    """

    query_id: str
    video_id: str
    text: str
    windows_s: tuple[tuple[float, float], ...]
    split: str
    source_line: int = 0
    extras: dict[str, Any] = field(default_factory=dict)
