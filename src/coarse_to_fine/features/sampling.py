"""What is looked at in a video: the lengths of clips and segments, the number of coarse frames."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field

SAMPLING_RULES = "clip-middle, t-mass-uniform, 1"
"""Names of the rules for clips and coarse frames with their version; a change of either makes other features."""


class Sampling(BaseModel):
    """Stored with a library and never changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip_seconds: float = Field(default=2.0, gt=0, description="length of a clip, seconds")
    segment_seconds: float = Field(
        default=150.0, gt=0, description="longest segment, seconds; multiple of clip_seconds"
    )
    segment_overlap_seconds: float = Field(
        default=30.0, ge=0, description="overlap of neighbouring segments, seconds; a multiple of clip_seconds"
    )
    frames_per_segment: int = Field(default=12, ge=1, description="coarse frames of a segment")

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over the values and the version of the rules."""
        values = {**self.model_dump(), "rules": SAMPLING_RULES}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode("utf-8")).hexdigest()
