"""Settings of the training-free model."""

from __future__ import annotations

from pydantic import Field

from coarse_to_fine.frozen_config import FrozenConfig


class SimilarityConfig(FrozenConfig):
    """How windows are read off the curve of frame-sentence cosines."""

    windows: int = Field(default=10, ge=1, description="windows returned at most")
    smoothing_clips: int = Field(
        default=3, ge=1, description="width of the triangular kernel that smooths the curve, clips"
    )
    nms: float = Field(default=0.5, ge=0, le=1, description="windows that overlap a better one by more IoU are dropped")
