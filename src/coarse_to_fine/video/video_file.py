"""What is known of a video file without decoding it: times, geometry, streams, losses."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

Times = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Clock = Literal["pts", "dts", "count"]


@dataclass(frozen=True, slots=True)
class LostSpan:
    """A stretch of a video from which no picture can be had.

    Attributes:
        start_s, end_s: the stretch, seconds from the first frame of the video; `end_s` may lie past the end of what
            was read when the file was cut.
        reason: what happened.
    """

    start_s: float
    end_s: float
    reason: str

    def __str__(self) -> str:
        return f"lost {self.start_s:.2f}-{self.end_s:.2f} s: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class PacketIndex:
    """The packets of the chosen stream in the order of the file (P of them) and the N frames that they hold.

    Attributes:
        is_key: (P,) whether decoding can start at a packet.
        stamps: (P,) time stamps in ticks as the file has them (decoding times where there are no others), for
            finding the place after a seek.
        sizes: (P,) bytes of the packets, for the same.
        frame_packets: (N,) number of the packet of each frame, frames in the order in which they are shown. Packets
            that show nothing (hidden reference frames, frames cut by an edit list) belong to no frame.
        time_base: seconds a tick.
        clock: where frame times come from: presentation times; decoding times in the order of display (the file has
            no presentation times); the number of the frame (no times at all). With the last two the frame of a time
            can only be found by counting from the start.
        torn: numbers of the packets before which others are missing.
    """

    is_key: Flags
    stamps: Integers
    sizes: Integers
    frame_packets: Integers
    time_base: Fraction
    clock: Clock
    torn: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a stored picture becomes the upright one: shape of pixels, then mirror, then turn.

    Attributes:
        stored_width, stored_height: size of the stored picture.
        pixel_aspect: width of a pixel by its height.
        rotation: degrees by which the stored picture is turned clockwise: 0, 90, 180 or 270.
        mirrored: whether left and right are exchanged before turning.
    """

    stored_width: int
    stored_height: int
    pixel_aspect: Fraction = Fraction(1)
    rotation: int = 0
    mirrored: bool = False

    @property
    def width(self) -> int:
        """Of the upright picture."""
        return self.stored_height if self.rotation % 180 else self.shown_width(self.stored_width)

    @property
    def height(self) -> int:
        """Of the upright picture."""
        return self.shown_width(self.stored_width) if self.rotation % 180 else self.stored_height

    def shown_width(self, stored_width: int) -> int:
        """Width of `stored_width` stored pixels in square ones."""
        return max(1, round(stored_width * self.pixel_aspect))


@dataclass(frozen=True, slots=True, eq=False)
class VideoFile:
    """A probed file. All times are seconds from the first frame of the chosen video stream.

    Attributes:
        path: the file.
        duration_s: end of the last frame that the file holds; from time stamps, never from container fields.
        frame_times_s: (N,) float64, ascending, the first is 0: when each frame is first shown.
        key_times_s: (K,) float64, ascending: times of the frames where decoding can start, as the container says.
        geometry: from stored to upright pictures.
        codec: name of the codec, such as `h264`.
        pix_fmt: pixel format of the stored frames, such as `yuv420p10le`.
        has_audio: whether there is an audio stream.
        lost: stretches that the file should hold and does not (a cut tail, a hole).
        warnings: one line for each thing that a person should know, the lost stretches included.
        stream_index: the chosen stream: a real video (not a cover picture), the default one or the first.
        packets: what the reader needs to find frames.
    """

    path: Path
    duration_s: float
    frame_times_s: Times
    key_times_s: Times
    geometry: Geometry
    codec: str
    pix_fmt: str
    has_audio: bool
    lost: tuple[LostSpan, ...]
    warnings: tuple[str, ...]
    stream_index: int
    packets: PacketIndex

    @property
    def origin_s(self) -> float:
        """Time of the first frame on the clock of the file; 0 where the file has no presentation times."""
        index = self.packets
        return float(int(index.stamps[index.frame_packets[0]]) * index.time_base) if index.clock == "pts" else 0.0

    @property
    def width(self) -> int:
        """Of the upright picture as shown."""
        return self.geometry.width

    @property
    def height(self) -> int:
        """Of the upright picture as shown."""
        return self.geometry.height

    @property
    def rotation(self) -> int:
        """Degrees by which stored pictures are turned clockwise to stand upright."""
        return self.geometry.rotation

    @property
    def frame_count(self) -> int:
        return len(self.frame_times_s)

    @property
    def average_fps(self) -> float:
        """Frames a second over the whole file; above 0 for one frame too."""
        return self.frame_count / self.duration_s
