"""Reads the pictures on show at given times of a video: exact, in one decoding pass, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from coarse_to_fine.video.video_file import LostSpan, VideoFile

Picture = np.ndarray[Any, np.dtype[np.uint8]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PictureSize:
    """The size that the decoder's scaler (bicubic) brings pictures to.

    Attributes:
        pixels: length of a side.
        rule: `square`: the whole picture squashed to pixels x pixels; `short-side`: the short side becomes `pixels`,
            the other follows, and a smaller picture stays as it is.
    """

    pixels: int
    rule: Literal["square", "short-side"] = "square"


@dataclass(frozen=True, slots=True)
class FrameRead(Generic[T]):
    """One picture.

    Attributes:
        position: which of the asked times it answers.
        time_s: when the frame is first shown, seconds from the first frame.
        picture: what `prepare` made of the upright uint8 RGB (height, width, 3) picture.
        stands_in: the frame on show at the asked time cannot be decoded and this near one stands in for it.
    """

    position: int
    time_s: float
    picture: T
    stands_in: bool = False


class FrameReader(Generic[T]):
    """Iterates once over the pictures of a video, in the order of time; `lost` is complete at the end.

    A position that is never delivered cannot be decoded and lies in one of the `lost` spans.
    """

    lost: list[LostSpan]

    def __iter__(self) -> Iterator[FrameRead[T]]:
        raise NotImplementedError


def read_frames(
    video: VideoFile,
    times_s: Sequence[float],
    prepare: Callable[[Picture], T] | None = None,
    size: PictureSize | None = None,
    *,
    threads: int | Literal["auto"] = 1,
    stand_in_seconds: float = 1.0,
) -> FrameReader[T]:
    """Pictures on show at ascending times.

    Args:
        video: the probed file.
        times_s: ascending, seconds from the first frame.
        prepare: made of each upright uint8 RGB (height, width, 3) picture; None: the picture itself.
        size: size after the decoder's scaler; None: full size (pixels exactly as decoded).
        threads: decoder threads; 1 when several files are read side by side, `auto` for a single file.
        stand_in_seconds: how far a decodable frame may lie from one that is not, to stand in for it (half a clip).
    """
    raise NotImplementedError
