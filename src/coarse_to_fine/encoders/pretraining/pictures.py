"""Pictures of a scene as they look after a video codec: drawn, degraded, then resized by the encoder's own rule."""

from __future__ import annotations

import io
import random

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from coarse_to_fine.data_generation.world.render import render_frame
from coarse_to_fine.data_generation.world.scene import Scene
from coarse_to_fine.encoders.preprocessing import Preprocessing

HEIGHTS = (120, 144, 160, 180, 200, 240)


def drawn_picture(
    scene: Scene, time_s: float, preprocessing: Preprocessing, rng: random.Random
) -> UInt8[Tensor, "S S 3"]:
    """The frame at `time_s`, drawn in one of several sizes and prepared for the tower."""
    height = rng.choice(HEIGHTS)
    width = 2 * round(height * scene.aspect / 2)
    image = Image.fromarray(render_frame(scene, time_s, (width, height)))
    return preprocessing.prepare(torch.from_numpy(np.array(degraded(image, rng))))


def degraded(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blur, brightness and the marks of a lossy codec with halved colour planes.

    JPEG stands in for H.264: the same 8 by 8 transforms and colour subsampling, at a small part of the cost.
    """
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    if rng.random() < 0.3:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.92, 1.08))
    if rng.random() < 0.75:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=rng.randint(35, 92), subsampling="4:2:0")
        image = Image.open(stream).convert("RGB")
    return image
