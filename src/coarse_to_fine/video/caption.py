"""A line of text written into the lower edge of pictures."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from coarse_to_fine.video.picture import Picture

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

SHARE_OF_HEIGHT = 18
SMALLEST_LETTERS = 10
DARKENING = 0.62
WIDE_FONT = "DejaVuSans.ttf"
"""Knows more scripts than the font that comes with Pillow; taken where the system has it."""


@dataclass(frozen=True, slots=True)
class Caption:
    """Light letters on a darkened strip, rendered once for all pictures of one size.

    Attributes:
        letters: (strip height, width, 1) how much of a pixel is covered by letters, in [0, 1].
    """

    letters: np.ndarray[Any, np.dtype[np.float32]]

    def on(self, picture: Picture) -> Picture:
        """A copy of a picture of that size with the caption in its lowest rows."""
        written = picture.copy()
        strip = written[-len(self.letters) :].astype(np.float32) * (1 - DARKENING)
        written[-len(self.letters) :] = (strip * (1 - self.letters) + 255 * self.letters + 0.5).astype(np.uint8)
        return written


def caption(text: str, width: int, height: int) -> Caption:
    """The caption of pictures of this size; a text that is too long loses its middle, line breaks become spaces."""
    from PIL import Image, ImageDraw

    size = max(SMALLEST_LETTERS, height // SHARE_OF_HEIGHT)
    font, margin = load_font(size), size // 2
    shown = shortened(" ".join(text.split()), font, width - 2 * margin)
    strip = Image.new("L", (width, min(height, 2 * size)), 0)
    ImageDraw.Draw(strip).text((margin, strip.height // 2), shown, fill=255, font=font, anchor="lm")
    return Caption(np.asarray(strip, np.float32)[:, :, None] / np.float32(255))


def load_font(size: int) -> FreeTypeFont | ImageFont:
    """A sans-serif font of this size in pixels: the system's DejaVu, else the one that Pillow brings."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(WIDE_FONT, size)
    except OSError:
        return ImageFont.load_default(size)


def shortened(text: str, font: FreeTypeFont | ImageFont, width: float) -> str:
    """The text, without as much of its middle as makes it fit into `width` pixels."""

    def with_kept(letters: int) -> str:
        return f"{text[: (letters + 1) // 2]}…{text[len(text) - letters // 2 :]}"

    if font.getlength(text) <= width:
        return text
    too_long = bisect_left(range(1, len(text)), True, key=lambda letters: font.getlength(with_kept(letters)) > width)
    return with_kept(too_long)
