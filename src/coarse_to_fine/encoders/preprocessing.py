"""From a picture to the pixels of a tower, by the rules of its `preprocessor_config.json`.

The two halves are apart on purpose: `prepare` gives 8-bit pictures that can be stored and batched, `normalise` is
arithmetic on them. Together they equal the tower's own processor bit for bit in the resized picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from pydantic import Field
from torch import Tensor

from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.frozen_config import FrozenConfig

PICTURE_RULE = "preprocessor_config.json"
BICUBIC = 3
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Preprocessing(FrozenConfig):
    """What is done to an upright RGB picture before it reaches the tower."""

    resize: tuple[int, int] | int | None = Field(
        default=224, description="height and width in pixels, or the shorter side, or nothing"
    )
    crop: tuple[int, int] | None = Field(default=(224, 224), description="height and width of the centre crop")
    resample: int = Field(default=BICUBIC, ge=0, le=5, description="Pillow's number of the filter; 3 is bicubic")
    rescale: float = Field(default=1 / 255, gt=0, description="factor on 8-bit values")
    mean: tuple[float, float, float] = Field(default=CLIP_MEAN, description="subtracted after rescaling")
    std: tuple[float, float, float] = Field(default=CLIP_STD, description="divided by after that")

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize and crop; nothing is normalised."""
        image = Image.fromarray(np.ascontiguousarray(picture.numpy()))
        size = self._resized(image.height, image.width)
        if size != (image.height, image.width):
            image = image.resize((size[1], size[0]), resample=Image.Resampling(self.resample))
        pixels = torch.from_numpy(np.array(image))
        return pixels if self.crop is None else centre_crop(pixels, *self.crop)

    @property
    def plain_square(self) -> int | None:
        """S where `prepare` squashes the whole picture to (S, S) by a bicubic filter and does nothing else.

        FFmpeg's scaler does nearly the same while it converts colours (`video.PictureSize`).
        """
        if not isinstance(self.resize, tuple) or self.resample != BICUBIC or self.crop not in (None, self.resize):
            return None
        return self.resize[0] if self.resize[0] == self.resize[1] else None

    def normalise(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N 3 S S"]:
        """Rescale and normalise prepared pictures, channels first."""
        mean = torch.tensor(self.mean, device=pictures.device)
        std = torch.tensor(self.std, device=pictures.device)
        return ((pictures.to(torch.float32) * self.rescale - mean) / std).permute(0, 3, 1, 2)

    def to_hugging_face(self) -> dict[str, Any]:
        """The document that transformers' CLIPImageProcessor reads."""
        crop = {"crop_size": {"height": self.crop[0], "width": self.crop[1]}} if self.crop else {}
        size: dict[str, int] = {}
        if isinstance(self.resize, tuple):
            size = {"height": self.resize[0], "width": self.resize[1]}
        elif self.resize is not None:
            size = {"shortest_edge": self.resize}
        return {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            "do_resize": self.resize is not None,
            "do_center_crop": self.crop is not None,
            "do_rescale": True,
            "do_normalize": True,
            "size": size or {"shortest_edge": 224},
            **crop,
            "resample": self.resample,
            "rescale_factor": self.rescale,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        short, long = min(height, width), max(height, width)
        other = int(self.resize * long / short)
        return (self.resize, other) if height <= width else (other, self.resize)


def centre_crop(pixels: UInt8[Tensor, "H W 3"], height: int, width: int) -> UInt8[Tensor, "S S 3"]:
    """The middle of a picture; black where the picture is smaller."""
    missing_height, missing_width = max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1])
    if missing_height or missing_width:
        padded = pixels.new_zeros(pixels.shape[0] + missing_height, pixels.shape[1] + missing_width, 3)
        top, left = (missing_height + 1) // 2, (missing_width + 1) // 2
        padded[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        pixels = padded
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def require_side(rule: Preprocessing, side: int, folder: Path) -> None:
    """Raise unless a folder's rule makes the pictures that its image tower takes.

    Raises:
        WeightsError: it makes others.
    """
    produced = rule.crop or rule.resize
    if produced != (side, side):
        raise WeightsError(
            f"{folder}: the rule for pictures makes {produced}, the image tower takes ({side}, {side}); "
            f"use the {PICTURE_RULE} of the same model"
        )


def load_preprocessing(folder: Path) -> Preprocessing:
    """The rules of a model folder: `preprocessor_config.json`, or the image part of `processor_config.json`.

    Raises:
        WeightsError: neither is there, or a value is not understood.
    """
    own, joint = folder / PICTURE_RULE, folder / "processor_config.json"
    if own.is_file() or not joint.is_file():
        return parse_preprocessing(read_json(own, "the rule for pictures"), str(own))
    return parse_preprocessing(read_json(joint, "the rule for pictures").get("image_processor", {}), str(joint))


def parse_preprocessing(document: Mapping[str, Any], source: str) -> Preprocessing:
    """From the content of a `preprocessor_config.json`; sizes may be numbers (old files) or named sides.

    Raises:
        WeightsError: a value is not understood.
    """

    def wanted(step: str) -> bool:
        return bool(document.get(step, True))

    try:
        return Preprocessing(
            resize=_size(document.get("size", 224)) if wanted("do_resize") else None,
            crop=_square(document.get("crop_size", 224)) if wanted("do_center_crop") else None,
            resample=document.get("resample", BICUBIC),
            rescale=document.get("rescale_factor", 1 / 255) if wanted("do_rescale") else 1.0,
            mean=tuple(document.get("image_mean", CLIP_MEAN)) if wanted("do_normalize") else (0.0, 0.0, 0.0),
            std=tuple(document.get("image_std", CLIP_STD)) if wanted("do_normalize") else (1.0, 1.0, 1.0),
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"{source}: not understood ({reason}); expected size, crop_size, image_mean, image_std as CLIP has them, "
            "use the file of the same model"
        ) from None


def _size(value: Any) -> tuple[int, int] | int:
    if isinstance(value, Mapping):
        return int(value["shortest_edge"]) if "shortest_edge" in value else (int(value["height"]), int(value["width"]))
    return int(value)


def _square(value: Any) -> tuple[int, int]:
    size = _size(value)
    return size if isinstance(size, tuple) else (size, size)
