"""What a training of the small CLIP is made of: architecture, data, weights of the losses, run."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from coarse_to_fine.encoders.config import ClipConfig, TextConfig, VisionConfig
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.training import RunConfig

SCOPE_WARNING = (
    "the encoder tiny-world knows only the drawn world of this package; on camera footage its ranking means little, "
    "index with a CLIP model such as clip-vit-b-32 for that"
)


class EncoderTrainingConfig(FrozenConfig):
    """Architecture, data and run of a small CLIP for the drawn world."""

    vocabulary_size: int = Field(default=1100, ge=600, description="tokens, 512 of them for single bytes")
    vocabulary_scenes: int = Field(default=2000, ge=1, description="scenes whose sentences the tokenizer is made from")
    vocabulary_seed: int = Field(default=0, ge=0, description="seed of those sentences")
    context: int = Field(default=32, ge=8, description="most tokens of a sentence, start and end token included")
    image_size: int = Field(default=112, ge=32, description="side of the square picture, pixels")
    patch_size: int = Field(default=16, ge=4, description="side of a patch, pixels")
    vision_width: int = Field(default=160, ge=32, description="width of the image tower; heads are 32 wide")
    vision_layers: int = Field(default=7, ge=1, description="blocks of the image tower")
    collecting_blocks: int = Field(
        default=1,
        ge=0,
        description="last blocks of the image tower whose class token collects; patches are asked before",
    )
    local_blocks: int = Field(default=4, ge=0, description="blocks of the image tower whose heads begin on neighbours")
    text_width: int = Field(default=128, ge=32, description="width of the text tower; heads are 32 wide")
    text_layers: int = Field(default=3, ge=1, description="blocks of the text tower")
    embed_dim: int = Field(default=128, ge=16, description="width of the shared space")
    scenes: int = Field(default=40000, ge=1, description="scenes of an epoch, from the training split")
    tiled_scenes: int = Field(default=40000, ge=1, description="scenes of an epoch of `patches_first`")
    draw_processes: int = Field(
        default=0, ge=0, description="processes that draw all samples before training; 0: drawn anew when asked for"
    )
    frames: int = Field(default=4, ge=1, description="frames of a scene in a batch")
    captions: int = Field(default=2, ge=1, description="captions of a frame")
    distractors: int = Field(default=2, ge=0, description="false sentences of a frame")
    crowd_share: float = Field(default=0.4, ge=0, le=1, description="share of scenes shown as arrangements of a crowd")
    validation_scenes: int = Field(default=100, ge=1, description="scenes of the validation split")
    question_weight: float = Field(default=1.0, ge=0, description="weight of the questions about objects")
    label_weight: float = Field(default=1.0, ge=0, description="weight of the labels read from both embeddings")
    patch_weight: float = Field(default=0.3, ge=0, description="weight of the questions about patches")
    patches_first: RunConfig | None = Field(
        default=None, description="run in which the image tower alone learns what covers its patches; none: no such run"
    )
    attention_weight: float = Field(default=0.2, ge=0, description="weight of the class token's look at objects")
    frozen_blocks: int = Field(
        default=0, ge=0, description="first blocks of the image tower that `run` leaves alone, patch filters included"
    )
    start_from: Path | None = Field(
        default=None, description="checkpoint of another run (last.safetensors) whose weights are the start"
    )
    run: RunConfig = Field(
        default_factory=RunConfig, description="optimiser, schedule, length, seed; samples are scenes"
    )

    @model_validator(mode="after")
    def _has_others(self) -> EncoderTrainingConfig:
        """A caption learns from other frames, a frame from sentences that are false of it."""
        if min(self.run.batch_size, self.scenes) * self.frames < 2 and not self.distractors:
            raise ValueError(
                f"run.batch_size {self.run.batch_size}, scenes {self.scenes}, frames 1 and distractors 0 give batches "
                "of one frame with nothing to tell it from; expected two frames or a distractor; set run.batch_size "
                "to 2 or more"
            )
        return self

    def clip(self, vocabulary_size: int) -> ClipConfig:
        """The architecture for as many tokens as the tokenizer found."""
        return ClipConfig(
            text_config=TextConfig(
                hidden_size=self.text_width,
                intermediate_size=4 * self.text_width,
                num_hidden_layers=self.text_layers,
                num_attention_heads=self.text_width // 32,
                hidden_act="gelu",
                vocab_size=vocabulary_size,
                max_position_embeddings=self.context,
                eos_token_id=vocabulary_size - 1,
            ),
            vision_config=VisionConfig(
                hidden_size=self.vision_width,
                intermediate_size=4 * self.vision_width,
                num_hidden_layers=self.vision_layers,
                num_attention_heads=self.vision_width // 32,
                hidden_act="gelu",
                image_size=self.image_size,
                patch_size=self.patch_size,
            ),
            projection_dim=self.embed_dim,
            scope_warning=SCOPE_WARNING,
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """The whole picture, squashed to a square: nothing at the sides is lost."""
        return Preprocessing(resize=(self.image_size, self.image_size), crop=None)
