"""What the shapes of a checkpoint do not tell, one class a model; the fields of `ctf weights import --set`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from coarse_to_fine.foreign_weights.recognise import Kind
from coarse_to_fine.frozen_config import FrozenConfig


class ImportSettings(FrozenConfig):
    """Base: nothing but the named fields."""


class TowerSettings(ImportSettings):
    """Of CLIP towers."""

    text_heads: int | None = Field(default=None, ge=1, description="heads of the text tower; none: width / 64")
    vision_heads: int | None = Field(default=None, ge=1, description="heads of the image tower; none: width / 64")
    hidden_act: str = Field(default="quick_gelu", description="of the MLPs; OpenAI's CLIP has quick_gelu")


class TMassSettings(TowerSettings):
    """Of T-MASS: its head and its towers."""

    num_heads: int = Field(default=1, ge=1, description="heads of the frame pooling; the release trains with 1")
    trials: int = Field(default=20, ge=1, description="random texts that are tried for a pair")
    prior: Literal["uniform01", "normal"] = Field(default="uniform01", description="noise; LSMDC was trained on normal")
    prior_std: float = Field(default=1.0, gt=0, description="standard deviation of normal noise; LSMDC 3e-3")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="dropout of the frame pooling while training")


class QdDetrSettings(ImportSettings):
    """Of QD-DETR."""

    origin: Literal["official", "lighthouse"] | None = Field(
        default=None, description="who trained it; none: by the options in the file"
    )
    block_order: tuple[str, ...] | None = Field(
        default=None, description="order in which your features have the blocks, such as clip,slowfast"
    )
    features: Literal["unit", "raw"] = Field(
        default="unit", description="unit rows as in training, or raw rows as Lighthouse's predictor feeds them"
    )

    @field_validator("block_order", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


class MesmSettings(ImportSettings):
    """Of MESM."""

    official_mask: bool = Field(default=False, description="the release's mask, which depends on the batch")
    max_clips: int | None = Field(
        default=None, ge=1, description="clips read at most; none: by the options in the file, else by its features"
    )


SETTINGS: dict[Kind, type[ImportSettings]] = {
    "t-mass": TMassSettings,
    "qd-detr": QdDetrSettings,
    "mesm": MesmSettings,
    "clip": TowerSettings,
}
