"""Building blocks of the drawn kinds: outlines in a unit box, each with a tone.

The box is [-0.5, 0.5] in both directions, y down, y = 0.5 the ground; kinds face right. Everything is a polygon, so
that a kind can be turned and mirrored by one matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

TONES: tuple[str, ...] = ("main", "dark", "light", "ink", "paper")


@dataclass(frozen=True, slots=True)
class Outline:
    """One filled polygon: corners in the unit box and a tone (the colour, a shade of it, near black or near white)."""

    tone: str
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Drawing:
    """A kind ready to be drawn.

    Attributes:
        corners: (P, 2) corners of all outlines one after the other.
        ends: where each outline ends in `corners`.
        tones: index into TONES of each outline.
        half_width: largest |x| of any corner.
    """

    corners: Float32[np.ndarray, "P 2"]
    ends: tuple[int, ...]
    tones: tuple[int, ...]
    half_width: float


def drawing(outlines: tuple[Outline, ...]) -> Drawing:
    """Pack outlines for the renderer."""
    ends = np.cumsum([len(outline.corners) for outline in outlines]).tolist()
    corners = np.array([corner for outline in outlines for corner in outline.corners], dtype=np.float32)
    tones = tuple(TONES.index(outline.tone) for outline in outlines)
    return Drawing(corners, tuple(ends), tones, float(np.abs(corners[:, 0]).max()))


def poly(tone: str, *corners: tuple[float, float]) -> Outline:
    """A polygon by its corners."""
    return Outline(tone, corners)


def box(tone: str, left: float, top: float, right: float, bottom: float) -> Outline:
    """An upright rectangle."""
    return Outline(tone, ((left, top), (right, top), (right, bottom), (left, bottom)))


def oval(tone: str, x: float, y: float, rx: float, ry: float, corners: int = 16, tilt: float = 0.0) -> Outline:
    """An ellipse with middle (x, y), turned clockwise by `tilt` degrees."""
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    points = []
    for index in range(corners):
        angle = math.tau * (index + 0.5) / corners
        dx, dy = rx * math.cos(angle), ry * math.sin(angle)
        points.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return Outline(tone, tuple(points))


def arc(tone: str, x: float, y: float, rx: float, ry: float, start: float, end: float, corners: int = 12) -> Outline:
    """A segment of an ellipse from `start` to `end` degrees (clockwise from the right), closed by its chord."""
    points = []
    for index in range(corners + 1):
        angle = math.radians(start + (end - start) * index / corners)
        points.append((x + rx * math.cos(angle), y + ry * math.sin(angle)))
    return Outline(tone, tuple(points))


def star(tone: str, x: float, y: float, outer: float, inner: float, spikes: int = 5) -> Outline:
    """A star with its first spike up."""
    points = []
    for index in range(2 * spikes):
        radius = outer if index % 2 == 0 else inner
        angle = math.pi * index / spikes - math.pi / 2
        points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return Outline(tone, tuple(points))
