"""Architecture of a CLIP model as a Hugging Face `config.json` states it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from coarse_to_fine.config import parse_config
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.wording import why

LEGACY_END_ID = 2
"""`eos_token_id` of the first published configurations: wrong, it stands for "the largest id"."""


class TransformerConfig(FrozenConfig):
    """What both towers have; names and defaults are those of `config.json`, whose other keys do not change a result."""

    model_config = ConfigDict(extra="ignore")

    hidden_size: int = Field(gt=0, description="width of the residual stream")
    intermediate_size: int = Field(gt=0, description="width inside the MLP")
    num_hidden_layers: int = Field(ge=1, description="blocks")
    num_attention_heads: int = Field(ge=1, description="attention heads, a divisor of hidden_size")
    hidden_act: str = Field(default="quick_gelu", description="quick_gelu, gelu, gelu_new or gelu_pytorch_tanh")
    layer_norm_eps: float = Field(default=1e-5, gt=0, description="added to the variance by every layer norm")


class TextConfig(TransformerConfig):
    """The text tower; defaults are those of ViT-B/32."""

    hidden_size: int = Field(default=512, gt=0, description="width of the residual stream")
    intermediate_size: int = Field(default=2048, gt=0, description="width inside the MLP")
    num_hidden_layers: int = Field(default=12, ge=1, description="blocks")
    num_attention_heads: int = Field(default=8, ge=1, description="attention heads")
    vocab_size: int = Field(default=49408, gt=0, description="rows of the token table")
    max_position_embeddings: int = Field(default=77, gt=2, description="context, start and end token included")
    eos_token_id: int = Field(default=49407, ge=0, description="end token; 2 means the largest id of the sentence")


class VisionConfig(TransformerConfig):
    """The image tower; defaults are those of ViT-B/32."""

    hidden_size: int = Field(default=768, gt=0, description="width of the residual stream")
    intermediate_size: int = Field(default=3072, gt=0, description="width inside the MLP")
    num_hidden_layers: int = Field(default=12, ge=1, description="blocks")
    num_attention_heads: int = Field(default=12, ge=1, description="attention heads")
    num_channels: int = Field(default=3, ge=1, description="colour channels")
    image_size: int = Field(default=224, gt=0, description="side of the square picture, pixels")
    patch_size: int = Field(default=32, gt=0, description="side of a patch, pixels")


class ClipConfig(FrozenConfig):
    """Both towers and the width of the space that they share."""

    model_config = ConfigDict(extra="ignore")

    text_config: TextConfig = Field(default_factory=TextConfig, description="text tower")
    vision_config: VisionConfig = Field(default_factory=VisionConfig, description="image tower")
    projection_dim: int = Field(default=512, gt=0, description="width of the shared space")
    logit_scale_init_value: float = Field(default=2.6592, description="logarithm of the factor on cosines, at first")
    scope_warning: str | None = Field(default=None, description="what the model does not know; a key of this package")

    def to_hugging_face(self) -> dict[str, Any]:
        """The document that `transformers.CLIPModel.from_pretrained` reads."""
        document = self.model_dump(exclude_none=True)
        last = self.text_config.vocab_size - 1
        tokens = {"bos_token_id": last - 1, "pad_token_id": self.text_config.eos_token_id}
        return {
            **document,
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "text_config": {**document["text_config"], **tokens, "model_type": "clip_text_model"},
            "vision_config": {**document["vision_config"], "model_type": "clip_vision_model"},
        }


def parse_clip_config(document: Mapping[str, Any], source: str) -> ClipConfig:
    """Architecture from the content of a `config.json`.

    Args:
        document: the parsed file, `text_config` and `vision_config` nested in it. The `*_config_dict` of old files win
            over them, as in transformers.
        source: name of the file for messages.

    Raises:
        WeightsError: it is not the configuration of a CLIP model.
        ConfigError: a value is out of range.
    """
    kind = document.get("model_type", "clip")
    if kind != "clip" or not ("text_config" in document and "vision_config" in document):
        raise WeightsError(
            f"{source}: model_type {kind!r} with keys {', '.join(sorted(document)[:6])}; expected a CLIP model with "
            "text_config and vision_config, give the folder of a CLIPModel"
        )
    merged = dict(document)
    for part in ("text_config", "vision_config"):
        merged[part] = {**(document.get(part) or {}), **(document.get(f"{part}_dict") or {})}
    config = parse_config(ClipConfig, merged, source)
    for name, tower in (("text_config", config.text_config), ("vision_config", config.vision_config)):
        if tower.hidden_size % tower.num_attention_heads:
            raise WeightsError(
                f"{source}: {name} has {tower.num_attention_heads} heads for width {tower.hidden_size}; expected a "
                "divisor of the width, correct num_attention_heads"
            )
    return config


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object of a model folder; `what` names it in the message.

    Raises:
        WeightsError: the file is missing or holds no JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: {what} cannot be read ({why(error)}); give a complete Hugging Face CLIP folder"
        ) from None
    if not isinstance(document, dict):
        raise WeightsError(f"{path}: {what} is a {type(document).__name__}; expected a JSON object, restore the file")
    return document
