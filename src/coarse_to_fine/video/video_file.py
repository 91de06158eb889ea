"""What is known of a video file without decoding it: times, geometry, streams, losses."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

Times = np.ndarray[Any, np.dtype[np.float64]]
Stamps = np.ndarray[Any, np.dtype[np.int64]]
Clock = Literal["pts", "dts", "count"]


@dataclass(frozen=True, slots=True)
class LostSpan:
    """A stretch of a video from which no picture can be had.

    Attributes:
        start_s, end_s: the stretch, seconds from the first frame of the video; `end_s` may lie past the end of what
            was read when the file was cut.
        reason: what happened, in words that follow "from 20.0 s to 24.0 s:".
    """

    start_s: float
    end_s: float
    reason: str

    def __str__(self) -> str:
        return f"lost {self.start_s:.2f}-{self.end_s:.2f} s: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class VideoFile:
    """A probed file. All times are seconds from the first frame of the chosen video stream.

    Attributes:
        path: the file.
        duration_s: end of the last frame that the file holds; from time stamps, never from container fields.
        frame_times_s: (N,) float64, ascending, the first is 0: when each frame is first shown.
        key_times_s: (K,) float64, ascending: times of the frames where decoding can start, as the container says.
        width, height: size of the upright picture as shown: pixel shape and rotation applied.
        rotation: degrees by which the stored picture is turned clockwise to stand upright: 0, 90, 180 or 270.
        codec: name of the codec, such as `h264`.
        pix_fmt: pixel format of the stored frames, such as `yuv420p10le`, or None where the file does not say.
        has_audio: whether there is an audio stream.
        lost: stretches that the file should hold and does not (a cut tail, a hole in all streams).
        warnings: one line for each thing a person should know.
        stream_index: the chosen stream: the first that is a real video (not a cover picture).
        stored_width, stored_height: size of the stored frames, before pixel shape and rotation.
        time_base: seconds a tick of `frame_stamps`.
        frame_stamps: (N,) int64 time stamps of the frames in ticks; `frame_times_s` counts from the first of them.
        key_stamps: (K,) int64 time stamps of the key frames in ticks.
        clock: where the time stamps come from: presentation times, decoding times in display order (no presentation
            times in the file), or the number of the frame (no times at all).
    """

    path: Path
    duration_s: float
    frame_times_s: Times
    key_times_s: Times
    width: int
    height: int
    rotation: int
    codec: str
    pix_fmt: str | None
    has_audio: bool
    lost: tuple[LostSpan, ...]
    warnings: tuple[str, ...]
    stream_index: int
    stored_width: int
    stored_height: int
    time_base: Fraction
    frame_stamps: Stamps
    key_stamps: Stamps
    clock: Clock = "pts"

    @property
    def frame_count(self) -> int:
        return len(self.frame_times_s)

    @property
    def average_fps(self) -> float:
        """Frames a second over the whole file; 0 < value even for one frame."""
        return self.frame_count / self.duration_s
