"""From a decoded frame to an upright RGB picture of the wanted size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from av.video.reformatter import VideoReformatter

from coarse_to_fine.video.video_file import Geometry

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

BICUBIC, ACCURATE_RND, FULL_CHR_H_INT = 4, 0x40000, 0x2000
SCALING = BICUBIC | ACCURATE_RND | FULL_CHR_H_INT
"""Flags of FFmpeg's scaler: without the last two, colours are off by 1-2 levels of 255."""

Picture = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class PictureSize:
    """The size to which the decoder's scaler (bicubic) brings pictures.

    Attributes:
        pixels: length of a side.
        rule: `square`: the whole picture squashed to pixels x pixels; `short-side`: the short side becomes `pixels`,
            the other follows, and a smaller picture stays as it is.
    """

    pixels: int
    rule: Literal["square", "short-side"] = "square"

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a width x height picture after scaling."""
        if self.rule == "square":
            return self.pixels, self.pixels
        short = min(width, height)
        if short <= self.pixels:
            return width, height
        return max(1, round(width * self.pixels / short)), max(1, round(height * self.pixels / short))


class PictureMaker:
    """Scales frames in the decoder's own pixel format, then turns the small RGB picture upright."""

    def __init__(self, geometry: Geometry, size: PictureSize | None = None) -> None:
        self.geometry = geometry
        self.size = size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> Picture:
        """Upright uint8 RGB (height, width, 3)."""
        width, height = self.geometry.shown_width(frame.width), frame.height
        if self.size is not None:
            width, height = self.size.scaled(width, height)
        scaled = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", interpolation=SCALING)
        return upright(cast("Picture", scaled.to_ndarray()), self.geometry)


def upright(picture: Picture, geometry: Geometry) -> Picture:
    """The stored picture mirrored and turned as it is to be shown, in its own memory."""
    if geometry.mirrored:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(np.rot90(picture, -geometry.rotation // 90))


def geometry_of(frame: VideoFrame, pixel_aspect: Fraction | None) -> Geometry:
    """Geometry of the first frame of a stream, whose display matrix holds for all."""
    rotation, mirrored = _orientation(frame)
    aspect = Fraction(pixel_aspect) if pixel_aspect else Fraction(1)
    if not Fraction(1, 10) <= aspect <= 10:
        aspect = Fraction(1)
    return Geometry(frame.width, frame.height, aspect, rotation, mirrored)


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Clockwise degrees and whether to mirror first; (x, y) of the stored picture goes to (ax + cy, bx + dy)."""
    side_data: Any = frame.side_data
    matrix = next((data for data in side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.float64)
    mirrored = bool(a * d - b * c < 0)
    angle = np.degrees(np.arctan2(-b if mirrored else b, -a if mirrored else a))
    return round(float(angle) / 90) % 4 * 90, mirrored
