"""One frame of a scene as pixels; the same scene and time give the same bytes in every process."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from coarse_to_fine.data_generation.world.backgrounds import MARGIN, RGB, SHADOWS, background
from coarse_to_fine.data_generation.world.kinds import DRAWINGS
from coarse_to_fine.data_generation.world.motion import actor_pose, is_contact
from coarse_to_fine.data_generation.world.outlines import star
from coarse_to_fine.data_generation.world.scene import Actor, Pose, Scene
from coarse_to_fine.data_generation.world.vocabulary import COLOURS

MAX_NOISE = 24  # colours stay below 256 - MAX_NOISE, so that adding noise cannot wrap around
FINE_HEIGHT = 150  # frames up to this height are drawn at twice the size and averaged
_TILE = 512
_INK: RGB = (34, 30, 36)
_PAPER: RGB = (222, 224, 222)
_SPARK: RGB = (231, 222, 90)


def render_frame(scene: Scene, time_s: float, size: tuple[int, int] | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """Draw what the camera sees at `time_s`.

    Args:
        scene: the scene.
        time_s: instant in seconds.
        size: (width, height) in pixels; None for the scene's own. Another aspect squashes the picture, as resizing
            the whole frame would.

    Returns:
        RGB picture.
    """
    width, height = size or scene.size
    factor = 2 if height <= FINE_HEIGHT else 1
    image = _drawn(scene, time_s, width * factor, height * factor)
    if factor == 2:
        image = image.reduce(2)
    pixels = np.array(image)
    if scene.noise:
        pixels += _noise(scene, time_s, width, height)
    return pixels


def _drawn(scene: Scene, time_s: float, width: int, height: int) -> Image.Image:
    camera_x, camera_y = scene.camera.offset(time_s)
    whole = background(scene.place, scene.place_variant, width, height)
    left, top = round((MARGIN + camera_x) * width), round((MARGIN + camera_y) * height)
    image = whole.crop((left, top, left + width, top + height))
    brush = _Brush(image, width / scene.aspect, height, camera_x * width, camera_y * height, SHADOWS[scene.place])
    poses = [(actor, actor_pose(scene, index, time_s)) for index, actor in enumerate(scene.actors)]
    visible = [(actor, pose) for actor, pose in poses if pose.present and pose.alpha > 0]
    for actor, pose in sorted(visible, key=lambda pair: (pair[1].in_front, pair[0].ground)):
        brush.actor(actor, pose)
    for event in scene.events_at(time_s):
        if event.target is not None and is_contact(event, time_s):
            brush.spark(scene.actors[event.target], poses[event.subject][1], poses[event.target][1])
    return brush.image


class _Brush:
    """Draws actors on one picture.

    Attributes:
        unit_x, unit_y: pixels of one height of the undistorted frame, across and down.
        shift_x, shift_y: pixels that the camera has moved.
    """

    def __init__(
        self, image: Image.Image, unit_x: float, unit_y: float, shift_x: float, shift_y: float, shadow: RGB
    ) -> None:
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.unit_x, self.unit_y = unit_x, unit_y
        self.shift_x, self.shift_y = shift_x, shift_y
        self.shadow = shadow

    def actor(self, actor: Actor, pose: Pose) -> None:
        """Shadow and object; a half transparent object is blended with what lies behind it."""
        middle_x = pose.x * self.image.width - self.shift_x
        ground_y = actor.ground * self.unit_y - self.shift_y
        if pose.alpha < 1:
            behind = self.image.copy()
            self._object(actor, pose, middle_x, ground_y)
            self.image = Image.blend(behind, self.image, pose.alpha)
            self.draw = ImageDraw.Draw(self.image)
            return
        reach = (
            DRAWINGS[actor.kind].half_width * pose.size * self.unit_x * (0.9 - 0.8 * min(0.5, max(0, pose.altitude)))
        )
        flat = 0.035 * self.unit_y * pose.size / 0.28
        self.draw.ellipse((middle_x - reach, ground_y - flat, middle_x + reach, ground_y + flat), fill=self.shadow)
        self._object(actor, pose, middle_x, ground_y)

    def _object(self, actor: Actor, pose: Pose, middle_x: float, ground_y: float) -> None:
        shape = DRAWINGS[actor.kind]
        cos, sin = math.cos(math.radians(pose.angle)), math.sin(math.radians(pose.angle))
        across, down = pose.size * self.unit_x, pose.size * self.unit_y
        flip = -1.0 if pose.faces_left else 1.0
        x, y = flip * shape.corners[:, 0], shape.corners[:, 1]
        middle_y = ground_y - (pose.altitude + 0.5 * pose.size) * self.unit_y
        turned = np.stack([(cos * x - sin * y) * across + middle_x, (sin * x + cos * y) * down + middle_y], axis=1)
        corners = turned.ravel().tolist()
        palette = _palette(actor.colour, actor.shade)
        start = 0
        for end, tone in zip(shape.ends, shape.tones):
            self.draw.polygon(
                corners[2 * start : 2 * end], fill=palette[tone], outline=palette[5] if tone < 3 else None
            )
            start = end

    def spark(self, target: Actor, subject_pose: Pose, target_pose: Pose) -> None:
        """A burst where two objects touch."""
        x = (0.4 * subject_pose.x + 0.6 * target_pose.x) * self.image.width - self.shift_x
        y = (target.ground - 0.6 * target_pose.size) * self.unit_y - self.shift_y
        corners = star("main", 0.0, 0.0, 0.08, 0.035, 8).corners
        points = [(x + across * self.unit_x, y + down * self.unit_y) for across, down in corners]
        self.draw.polygon(points, fill=_SPARK, outline=_INK)


@lru_cache(maxsize=512)
def _palette(colour: str, shade: float) -> tuple[RGB, ...]:
    """Colours by index of the tone, and the edge last."""
    main = _scaled(COLOURS[colour], shade)
    return (main, _scaled(main, 0.68), _lighter(main), _INK, _PAPER, _scaled(main, 0.4))


def _scaled(colour: RGB, factor: float) -> RGB:
    red, green, blue = (min(255 - MAX_NOISE, int(value * factor)) for value in colour)
    return (red, green, blue)


def _lighter(colour: RGB) -> RGB:
    red, green, blue = (int(value + (255 - MAX_NOISE - value) * 0.5) for value in colour)
    return (red, green, blue)


@lru_cache(maxsize=32)
def _noise_tile(amplitude: int) -> UInt8[np.ndarray, "H W 3"]:
    generator = np.random.default_rng(amplitude)
    sums = generator.integers(0, amplitude + 1, (2, _TILE + 512, _TILE + 768, 3), dtype=np.uint16).sum(axis=0)
    tile: NDArray[np.uint8] = (sums // 2).astype(np.uint8)
    return tile


def _noise(scene: Scene, time_s: float, width: int, height: int) -> UInt8[np.ndarray, "H W 3"]:
    """A part of a fixed tile of noise whose place follows from scene and time alone."""
    key = (scene.seed * 1_000_003 + round(time_s * 1000)) * 2_654_435_761 % 2**32
    top, left = key % _TILE, (key // _TILE) % _TILE
    part: NDArray[np.uint8] = _noise_tile(scene.noise)[top : top + height, left : left + width]
    return part
