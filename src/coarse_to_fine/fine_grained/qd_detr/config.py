"""The architecture of a QD-DETR; nothing of its training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from coarse_to_fine.fine_grained.feature_blocks import TIME_CHANNELS, FeatureBlocks


class QdDetrConfig(FeatureBlocks):
    """Everything that decides what a trained model computes."""

    audio_feature_dim: int = Field(default=0, ge=0, description="width of the audio features of a clip; 0 = no audio")
    audio_endpoints: bool = Field(default=False, description="whether the audio block has its own two time channels")
    hidden_dim: int = Field(default=256, ge=4, multiple_of=2, description="width D of the transformer")
    heads: int = Field(default=8, ge=1, description="attention heads")
    feed_forward_dim: int = Field(default=1024, ge=1, description="width of the feed-forward parts")
    text_to_video_layers: int = Field(default=2, ge=1, description="layers by which clips read the words")
    encoder_layers: int = Field(default=2, ge=0, description="self-attention layers over the clips")
    decoder_layers: int = Field(default=2, ge=1, description="decoder layers")
    queries: int = Field(default=10, ge=1, description="moment queries, the number of windows predicted")
    projection_stages: int = Field(default=2, ge=1, description="stages of the input projections")
    max_words: int = Field(default=32, ge=1, description="rows of the learned text positions; words read at most")
    text_positions: bool = Field(default=False, description="whether the learned text positions are added to the keys")
    normalise_text: bool = Field(default=True, description="whether word states become unit rows")
    features: Literal["unit", "raw"] = Field(
        default="unit", description="unit = rows as in training; raw = un-normalised clip rows, Lighthouse's predictor"
    )
    mask: Literal["correct", "official"] = Field(
        default="correct",
        description="correct = key padding; official = the release's mask, which depends on the batch",
    )
    clamp_width: bool = Field(default=False, description="whether the anchor width is at least 0.001 where it divides")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout inside the transformer while training")
    input_dropout: float = Field(default=0.5, ge=0, lt=1, description="dropout of the input projections while training")

    @model_validator(mode="after")
    def _combinations(self) -> QdDetrConfig:
        if self.hidden_dim % self.heads:
            raise ValueError(f"hidden_dim {self.hidden_dim} is not a multiple of heads {self.heads}")
        if self.audio_endpoints and not self.audio_feature_dim:
            raise ValueError("audio_endpoints is set, but audio_feature_dim is 0")
        return self

    @property
    def video_input_dim(self) -> int:
        """Channels of a clip, time channels included."""
        return sum(self.video_feature_dims) + TIME_CHANNELS

    @property
    def audio_input_dim(self) -> int:
        return self.audio_feature_dim + (TIME_CHANNELS if self.audio_endpoints else 0)

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Widths of the blocks of a stored clip: video, then audio."""
        return self.video_feature_dims + ((self.audio_feature_dim,) if self.audio_feature_dim else ())
