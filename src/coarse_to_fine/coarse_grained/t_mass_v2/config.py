"""The architecture of T-MASS-V2: a T-MASS head and the alignment of its samples; nothing of its training."""

from __future__ import annotations

from pydantic import Field, model_validator

from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig


class TMassV2Config(TMassConfig):
    """The fields of the T-MASS head, and those of the alignment."""

    align_layers: int = Field(default=2, ge=1, description="layers L of the alignment")
    align_heads: int = Field(default=8, ge=1, description="attention heads of the alignment")
    align_dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout of each branch while training")
    frame_positions: bool = Field(default=False, description="add a learned position to the frames that samples see")
    rescored: int = Field(default=50, ge=1, description="segments K of the T-MASS order that are scored again")

    @model_validator(mode="after")
    def _heads(self) -> TMassV2Config:
        if self.embed_dim % self.align_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not a multiple of align_heads {self.align_heads}")
        return self

    @property
    def t_mass(self) -> TMassConfig:
        """The architecture of the head alone."""
        return TMassConfig.model_validate(self.model_dump(include=set(TMassConfig.model_fields)))
