"""Settings of the training-free coarse model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MeanPoolConfig(BaseModel):
    """Nothing of it changes a score: any number of frames is averaged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_frames: int = Field(default=12, ge=1, description="coarse frames that are sampled from a segment")
