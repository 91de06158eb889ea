"""Small JPEG pictures of frames."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from coarse_to_fine.video.picture import Picture, PictureSize
from coarse_to_fine.video.read import read_frames

if TYPE_CHECKING:
    from coarse_to_fine.video.video_file import VideoFile


def encode_jpeg(picture: Picture, short_side: int | None = None, quality: int = 82) -> bytes:
    """JPEG bytes of an upright uint8 RGB (height, width, 3) picture, made smaller to `short_side` if it is larger."""
    from PIL import Image

    image = Image.fromarray(picture)
    if short_side is not None:
        width, height = PictureSize(short_side, "short-side").scaled(image.width, image.height)
        if (width, height) != image.size:
            image = image.resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def thumbnail(video: VideoFile, time_s: float, short_side: int = 180) -> bytes:
    """JPEG of the frame on show at a time, upright.

    Raises:
        VideoError: neither that frame nor one within a second of it can be decoded.
    """
    size = PictureSize(short_side, "short-side")
    return next(iter(read_frames(video, [time_s], encode_jpeg, size, threads="auto"))).picture
