"""Settings of the training-free coarse model."""

from __future__ import annotations

from pydantic import Field

from coarse_to_fine.frozen_config import FrozenConfig


class MeanPoolConfig(FrozenConfig):
    """Nothing of it changes a score: any number of frames is averaged."""

    num_frames: int = Field(default=12, ge=1, description="coarse frames that are sampled from a segment")
