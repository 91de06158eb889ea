"""The drawn places: one picture a (place, variant, size), wider than the frame so that the camera can drift."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

VARIANTS = 4
MARGIN = 0.07  # on every side, in widths and heights of the frame
HORIZON = 0.66  # top of the ground in the frame

RGB = tuple[int, int, int]

SHADOWS: dict[str, RGB] = {
    "beach": (178, 156, 108),
    "forest": (44, 72, 36),
    "city": (66, 66, 70),
    "desert": (166, 116, 66),
    "night": (20, 22, 40),
    "snow": (168, 178, 194),
    "kitchen": (120, 94, 74),
    "underwater": (18, 72, 98),
}


@lru_cache(maxsize=96)
def background(place: str, variant: int, width: int, height: int) -> Image.Image:
    """The whole picture of a place for a frame of width x height pixels, margins included; do not draw on it."""
    full = (round(width * (1 + 2 * MARGIN)) + 1, round(height * (1 + 2 * MARGIN)) + 1)
    rng = random.Random(f"{place}/{variant}")
    canvas = Canvas(full, rng)
    _PLACES[place](canvas)
    return canvas.image


class Canvas:
    """A picture with coordinates in [0, 1] and the generator that varies it."""

    def __init__(self, size: tuple[int, int], rng: random.Random) -> None:
        self.image = Image.new("RGB", size)
        self.draw = ImageDraw.Draw(self.image)
        self.rng = rng
        self.width, self.height = size

    def gradient(self, top: RGB, bottom: RGB, start: float, end: float) -> None:
        """Fill the rows from `start` to `end`, shading from `top` to `bottom`."""
        first, last = round(start * self.height), round(end * self.height)
        column = Image.new("RGB", (1, 2))
        column.putpixel((0, 0), top)
        column.putpixel((0, 1), bottom)
        band = column.resize((1, max(1, last - first)), Image.Resampling.BILINEAR).resize(
            (self.width, max(1, last - first))
        )
        self.image.paste(band, (0, first))

    def poly(self, colour: RGB, *corners: tuple[float, float]) -> None:
        self.draw.polygon([(x * self.width, y * self.height) for x, y in corners], fill=colour)

    def box(self, colour: RGB, left: float, top: float, right: float, bottom: float) -> None:
        self.draw.rectangle(
            (left * self.width, top * self.height, right * self.width, bottom * self.height), fill=colour
        )

    def oval(self, colour: RGB, x: float, y: float, rx: float, ry: float) -> None:
        box = ((x - rx) * self.width, (y - ry) * self.height, (x + rx) * self.width, (y + ry) * self.height)
        self.draw.ellipse(box, fill=colour)

    def near(self, colour: RGB, spread: int = 10) -> RGB:
        """A colour at most `spread` grey levels away."""
        shift = self.rng.randint(-spread, spread)
        red, green, blue = (min(228, max(0, value + shift)) for value in colour)
        return (red, green, blue)


def _beach(c: Canvas) -> None:
    c.gradient((132, 192, 226), (206, 222, 228), 0, 0.42)
    c.oval((230, 222, 150), c.rng.uniform(0.15, 0.85), 0.14, 0.06, 0.075)
    c.gradient((38, 112, 168), (84, 170, 190), 0.42, HORIZON)
    for _ in range(9):
        x, y = c.rng.random(), c.rng.uniform(0.45, 0.63)
        c.box((150, 200, 214), x, y, x + 0.09, y + 0.008)
    c.gradient((228, 208, 156), (212, 186, 130), HORIZON, 1)
    c.poly((222, 228, 222), (0, HORIZON), (0.3, HORIZON + 0.025), (0.7, HORIZON - 0.005), (1, HORIZON + 0.02),
           (1, HORIZON - 0.015), (0, HORIZON - 0.015))  # fmt: skip
    for _ in range(14):
        c.oval(c.near((196, 168, 112)), c.rng.random(), c.rng.uniform(0.74, 0.99), 0.008, 0.006)


def _forest(c: Canvas) -> None:
    c.gradient((150, 190, 170), (104, 148, 112), 0, HORIZON)
    for layer, colour in enumerate(((84, 124, 88), (62, 100, 66))):
        for index in range(9):
            x = (index + c.rng.uniform(0.1, 0.9)) / 9
            top = c.rng.uniform(0.02, 0.2) + 0.1 * layer
            trunk = c.rng.uniform(0.012, 0.022)
            c.box((72, 54, 40), x - trunk, top + 0.2, x + trunk, HORIZON + 0.02)
            c.oval(c.near(colour), x, top + 0.14, 0.1, 0.17)
    c.gradient((74, 112, 54), (58, 92, 44), HORIZON, 1)
    for _ in range(26):
        x, y = c.rng.random(), c.rng.uniform(HORIZON, 0.99)
        c.poly(c.near((88, 132, 62)), (x, y), (x + 0.008, y - 0.035), (x + 0.016, y))


def _city(c: Canvas) -> None:
    c.gradient((168, 182, 200), (206, 206, 204), 0, HORIZON)
    left = -0.02
    while left < 1:
        wide, top = c.rng.uniform(0.09, 0.17), c.rng.uniform(0.06, 0.38)
        c.box(c.near((118, 116, 126), 26), left, top, left + wide, HORIZON)
        for row in range(7):
            for column in range(3):
                x, y = left + wide * (0.16 + 0.27 * column), top + 0.04 + 0.08 * row
                if y < HORIZON - 0.06:
                    c.box(c.near((196, 192, 150), 20), x, y, x + wide * 0.15, y + 0.035)
        left += wide + c.rng.uniform(0.0, 0.02)
    c.box((150, 148, 146), 0, HORIZON, 1, HORIZON + 0.05)
    c.gradient((92, 92, 96), (80, 80, 84), HORIZON + 0.05, 1)
    for index in range(7):
        c.box((206, 204, 196), index / 6.5 - 0.03, 0.84, index / 6.5 + 0.05, 0.855)


def _desert(c: Canvas) -> None:
    c.gradient((226, 178, 120), (230, 214, 170), 0, HORIZON)
    c.oval((231, 200, 110), c.rng.uniform(0.2, 0.8), 0.2, 0.07, 0.09)
    for _ in range(3):
        x, top = c.rng.random(), c.rng.uniform(0.36, 0.5)
        c.poly(c.near((176, 106, 72)), (x - 0.22, HORIZON), (x - 0.1, top), (x + 0.1, top), (x + 0.22, HORIZON))
    c.gradient((216, 164, 100), (196, 138, 80), HORIZON - 0.02, 1)
    for _ in range(3):
        x, y = c.rng.random(), c.rng.uniform(0.7, 0.95)
        c.poly(c.near((204, 150, 90)), (x - 0.3, y + 0.05), (x, y), (x + 0.35, y + 0.05))
    for _ in range(3):
        x, base = c.rng.random(), c.rng.uniform(0.62, 0.72)
        c.box((88, 118, 70), x - 0.01, base - 0.2, x + 0.01, base)
        c.box((88, 118, 70), x - 0.035, base - 0.15, x - 0.022, base - 0.09)
        c.box((88, 118, 70), x - 0.035, base - 0.1, x, base - 0.08)


def _night(c: Canvas) -> None:
    c.gradient((8, 10, 36), (40, 44, 92), 0, HORIZON)
    for _ in range(60):
        x, y = c.rng.random(), c.rng.uniform(0, HORIZON - 0.08)
        radius = c.rng.choice((0.003, 0.003, 0.005))
        c.oval(c.near((196, 196, 186), 30), x, y, radius, radius * 1.3)
    x = c.rng.uniform(0.15, 0.85)
    c.oval((222, 220, 196), x, 0.15, 0.06, 0.08)
    c.oval((16, 18, 48), x + 0.025, 0.135, 0.052, 0.07)
    c.poly((22, 26, 52), (0, HORIZON), (0, 0.56), (0.2, 0.5), (0.42, 0.6), (0.66, 0.48), (0.86, 0.58), (1, 0.54),
           (1, HORIZON))  # fmt: skip
    c.gradient((38, 44, 70), (28, 32, 54), HORIZON, 1)


def _snow(c: Canvas) -> None:
    c.gradient((154, 176, 204), (198, 210, 222), 0, HORIZON)
    for _ in range(4):
        x, top = c.rng.random(), c.rng.uniform(0.16, 0.36)
        c.poly((134, 148, 172), (x - 0.28, HORIZON), (x, top), (x + 0.28, HORIZON))
        c.poly((220, 226, 230), (x - 0.075, top + 0.12), (x, top), (x + 0.075, top + 0.12), (x + 0.02, top + 0.09))
    c.gradient((222, 228, 231), (204, 214, 226), HORIZON - 0.03, 1)
    for _ in range(5):
        c.oval((214, 221, 229), c.rng.random(), c.rng.uniform(0.72, 1.0), 0.2, 0.03)
    for _ in range(30):
        c.oval((228, 230, 231), c.rng.random(), c.rng.random(), 0.004, 0.005)


def _kitchen(c: Canvas) -> None:
    c.box((206, 196, 168), 0, 0, 1, HORIZON)
    shift = c.rng.random() * 0.08
    for index in range(14):
        c.box((188, 178, 150), index * 0.08 - shift, 0.3, index * 0.08 - shift + 0.004, 0.47)
    for row in range(3):
        c.box((188, 178, 150), 0, 0.3 + 0.08 * row, 1, 0.305 + 0.08 * row)
    left = -c.rng.random() * 0.2
    while left < 1:
        c.box(c.near((146, 104, 70), 8), left, 0.02, left + 0.19, 0.24)
        c.box((92, 64, 44), left + 0.16, 0.12, left + 0.17, 0.18)
        c.box(c.near((158, 116, 80), 8), left, 0.5, left + 0.19, HORIZON)
        left += 0.2
    stove = c.rng.uniform(0.1, 0.7)
    c.box((176, 178, 182), stove, 0.48, stove + 0.2, HORIZON)
    c.box((60, 62, 66), stove + 0.03, 0.54, stove + 0.17, 0.63)
    c.box((112, 116, 122), 0, 0.47, 1, 0.5)
    c.gradient((176, 150, 124), (158, 130, 104), HORIZON, 1)
    for index in range(8):
        c.poly((146, 120, 96), (0.5 + (index - 3.5) * 0.13, HORIZON), (0.505 + (index - 3.5) * 0.13, HORIZON),
               (0.51 + (index - 3.5) * 0.26, 1), (0.5 + (index - 3.5) * 0.26, 1))  # fmt: skip


def _underwater(c: Canvas) -> None:
    c.gradient((60, 164, 196), (22, 92, 136), 0, HORIZON + 0.08)
    for _ in range(4):
        x = c.rng.random()
        c.poly((72, 172, 202), (x, 0), (x + 0.05, 0), (x - 0.08, 0.42), (x - 0.16, 0.42))
    for _ in range(9):
        x, base, tall = c.rng.random(), c.rng.uniform(0.68, 0.78), c.rng.uniform(0.12, 0.3)
        c.poly(c.near((26, 104, 92)), (x - 0.015, base), (x + 0.012, base - tall * 0.5), (x - 0.01, base - tall),
               (x + 0.03, base - tall * 0.5), (x + 0.015, base))  # fmt: skip
    c.gradient((60, 132, 146), (40, 104, 122), HORIZON + 0.04, 1)
    for _ in range(16):
        radius = c.rng.uniform(0.005, 0.013)
        c.oval((130, 200, 218), c.rng.random(), c.rng.uniform(0.05, 0.6), radius, radius * 1.3)


_PLACES: dict[str, Callable[[Canvas], None]] = {
    "beach": _beach,
    "forest": _forest,
    "city": _city,
    "desert": _desert,
    "night": _night,
    "snow": _snow,
    "kitchen": _kitchen,
    "underwater": _underwater,
}
