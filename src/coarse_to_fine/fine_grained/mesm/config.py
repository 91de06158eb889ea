"""The architecture of a MESM; nothing of its training."""

from __future__ import annotations

from pydantic import Field, model_validator

from coarse_to_fine.fine_grained.feature_blocks import TIME_CHANNELS, FeatureBlocks


class MesmConfig(FeatureBlocks):
    """Everything that decides what a trained model computes."""

    hidden_dim: int = Field(default=256, ge=4, multiple_of=2, description="width D of the transformer")
    heads: int = Field(default=8, ge=1, description="attention heads")
    feed_forward_dim: int = Field(default=1024, ge=1, description="width of the feed-forward parts")
    enhancement_layers: int = Field(
        default=2, ge=0, description="frame-word layers by which clips read the words; 0 leaves the enhancement out"
    )
    share_feed_forward: bool = Field(
        default=True, description="whether masked words are guessed through the same feed-forward as clips"
    )
    summary_layers: int = Field(
        default=4, ge=0, description="layers that sum a video up in one extra word; 0 leaves that word out"
    )
    alignment_layers: int = Field(default=2, ge=1, description="layers by which clips read summary and words")
    encoder_layers: int = Field(default=2, ge=0, description="self-attention layers over the clips")
    decoder_layers: int = Field(default=2, ge=1, description="decoder layers")
    queries: int = Field(default=10, ge=1, description="moment queries, the number of windows predicted")
    projection_stages: int = Field(default=2, ge=1, description="stages of the input projections")
    max_words: int = Field(default=32, ge=1, description="words read at most, start and end token included")
    max_clips: int | None = Field(
        default=None, ge=1, description="clips read at most, longer videos are averaged down; none: every clip"
    )
    word_classes: int = Field(
        default=0, ge=0, description="classes of the head that guesses masked words in training; 0 = no such head"
    )
    official_mask: bool = Field(
        default=False,
        description="the release's mask, by which a result depends on the batch; false = key padding only",
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout inside the transformer while training")
    input_dropout: float = Field(default=0.5, ge=0, lt=1, description="dropout of the projections while training")

    @model_validator(mode="after")
    def _combinations(self) -> MesmConfig:
        if self.hidden_dim % self.heads:
            raise ValueError(f"hidden_dim {self.hidden_dim} is not a multiple of heads {self.heads}")
        if self.word_classes and not self.enhancement_layers:
            raise ValueError("word_classes is set, but enhancement_layers is 0: there is nothing to guess words with")
        return self

    @property
    def video_input_dim(self) -> int:
        """Channels of a clip, time channels included."""
        return self.stored_dim + TIME_CHANNELS
