"""What a fine model states about the features that it reads: blocks of clip channels by width and name, word states.

Axes: L clips, T word tokens, C channels.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from coarse_to_fine.errors import DataError
from coarse_to_fine.frozen_config import FrozenConfig

TIME_CHANNELS = 2
"""Start and end of a clip, which detectors append to its features."""


class FeatureBlocks(FrozenConfig):
    """Base of the architectures of models that are trained on extracted or published features."""

    video_feature_dims: tuple[int, ...] = Field(
        default=(512,), min_length=1, description="widths of the clip feature blocks, in the order of the channels"
    )
    feature_names: tuple[str, ...] = Field(default=(), description="names of the blocks, audio last; for messages only")
    text_feature_dim: int = Field(default=512, ge=1, description="width of the word states or word vectors")

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Widths of all blocks of a stored clip, audio last."""
        return self.video_feature_dims

    @property
    def stored_dim(self) -> int:
        """Width of the clip features that a segment must hold."""
        return sum(self.block_widths)

    @property
    def described(self) -> str:
        """The blocks for messages: `clip 512 + slowfast 2304`."""
        names = self.feature_names if len(self.feature_names) == len(self.block_widths) else None
        names = names or ("block",) * len(self.block_widths)
        return " + ".join(f"{name} {width}" for name, width in zip(names, self.block_widths, strict=True))


def check_clips(clips: Tensor, blocks: FeatureBlocks) -> None:
    """Raise DataError if stored clip features, (L, C), are not those of the model, or there is no clip."""
    if clips.shape[1] != blocks.stored_dim:
        raise DataError(
            f"clip features have {clips.shape[1]} channels, the model was made for {blocks.stored_dim} "
            f"({blocks.described}); use the features or the encoder that the model was trained with"
        )
    if not len(clips):
        raise DataError("a segment without clips, expected at least one; leave it out or extract its features again")


def check_words(tokens: Tensor, blocks: FeatureBlocks) -> None:
    """Raise DataError if word states, (T, C), are not of the model's encoder, or there is none."""
    if tokens.shape[1] != blocks.text_feature_dim:
        raise DataError(
            f"word states have {tokens.shape[1]} channels, the model was made for {blocks.text_feature_dim}; "
            "use the encoder or the word vectors that the model was trained with"
        )
    if not len(tokens):
        raise DataError("a sentence without words, expected at least one; give a sentence that is not empty")
