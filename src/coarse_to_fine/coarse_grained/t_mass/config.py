"""The architecture of a T-MASS head; nothing of its training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from coarse_to_fine.frozen_config import FrozenConfig


class TMassConfig(FrozenConfig):
    """Everything that decides what a trained head computes."""

    embed_dim: int = Field(default=512, ge=1, description="width D of the encoder's embeddings")
    num_frames: int = Field(default=12, ge=1, description="coarse frames F of a segment, fixed by training")
    num_heads: int = Field(default=1, ge=1, description="heads H of the frame pooling; above 1 nothing can be cached")
    trials: int = Field(default=20, ge=1, description="random texts S that are tried for a pair; the best one counts")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="dropout of the frame pooling while training")
    prior: Literal["uniform01", "normal"] = Field(default="uniform01", description="distribution of the noise")
    prior_std: float = Field(default=1.0, gt=0, description="standard deviation of 'normal' noise")

    @model_validator(mode="after")
    def _combinations(self) -> TMassConfig:
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not a multiple of num_heads {self.num_heads}")
        if self.num_frames > self.embed_dim:
            raise ValueError(f"num_frames {self.num_frames} is more than embed_dim {self.embed_dim}")
        return self
