"""What is looked at in a video and how: lengths of clips and segments, number of coarse frames, scaling of pictures."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, model_validator

from coarse_to_fine.clip_grid import segment_grid
from coarse_to_fine.config import parse_config
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.frozen_config import FrozenConfig

SAMPLING_RULES = "clip-middle, t-mass-uniform, 1"
"""Names of the rules for clips and coarse frames with their version; a change of either makes other features."""

Scaling = Literal["decoder", "processor"]


class Sampling(FrozenConfig):
    """Stored with a library and never changed afterwards."""

    clip_seconds: float = Field(default=2.0, gt=0, description="length of a clip, seconds")
    segment_seconds: float = Field(
        default=150.0, gt=0, description="longest segment, seconds; multiple of clip_seconds"
    )
    segment_overlap_seconds: float = Field(
        default=30.0, ge=0, description="overlap of neighbouring segments, seconds; a multiple of clip_seconds"
    )
    frames_per_segment: int = Field(default=12, ge=1, description="coarse frames of a segment")
    scaling: Scaling = Field(
        default="decoder",
        description="who shrinks the pictures of files: the decoder's scaler, where the encoder's own rule is a plain "
        "resize to a square, or the encoder's processor from full size",
    )

    @model_validator(mode="after")
    def _on_clip_grid(self) -> Sampling:
        try:
            segment_grid(self.clip_seconds, self.segment_seconds, self.segment_overlap_seconds)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over the values and the version of the rules; pictures scaled by the processor add nothing."""
        values = {**self.described(), "rules": SAMPLING_RULES}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode("utf-8")).hexdigest()

    def described(self) -> dict[str, Any]:
        """The values that make features; `scaling` only where it is the decoder's."""
        return self.model_dump(exclude={"scaling"} if self.scaling == "processor" else set())

    def settled_for(self, encoder: ImageTextEncoder) -> Sampling:
        """What holds for this encoder: scaling by the decoder only where its rule for pictures allows it."""
        scaling: Scaling = self.scaling if plain_square(encoder) is not None else "processor"
        return self.model_copy(update={"scaling": scaling})

    @classmethod
    def from_stored(cls, text: str) -> Sampling:
        """From stored JSON; what was stored before `scaling` was a choice is the processor's."""
        return parse_config(cls, {"scaling": "processor", **json.loads(text)}, "the stored sampling")


def plain_square(encoder: ImageTextEncoder) -> int | None:
    """The side to which an encoder squashes whole pictures, if that is all that it does to them."""
    rule = getattr(encoder, "preprocessing", None)
    return rule.plain_square if isinstance(rule, Preprocessing) else None
