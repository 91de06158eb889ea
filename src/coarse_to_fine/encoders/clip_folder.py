"""Bare CLIP weights into a folder that `--encoder` takes: with their architecture, picture rule and tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from importlib import resources
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from coarse_to_fine.atomic_files import replacing, write_atomically, write_text_atomically
from coarse_to_fine.checkpoint_files import count_parts, shape_of
from coarse_to_fine.encoders.config import ClipConfig, TextConfig, VisionConfig, parse_clip_config, read_json
from coarse_to_fine.encoders.fingerprint import present
from coarse_to_fine.encoders.preprocessing import PICTURE_RULE, Preprocessing
from coarse_to_fine.encoders.tokenizer import OPENAI_FILES, TOKENIZER_FILES
from coarse_to_fine.encoders.weights import DROPPED, SAFE_FILE, build_towers
from coarse_to_fine.errors import WeightsError

HEAD_WIDTH = 64
"""Channels of an attention head in every CLIP that OpenAI published."""

OPENAI_VOCABULARY = 49408
CONFIG = "config.json"

_shape = partial(shape_of, expected="a CLIP with both towers")


def architecture_of(
    state: Mapping[str, Tensor],
    text_heads: int | None = None,
    vision_heads: int | None = None,
    hidden_act: str = "quick_gelu",
) -> ClipConfig:
    """The architecture by the shapes of a CLIP's tensors; what shapes do not tell is given.

    Args:
        state: tensors under the names of `CLIPModel`.
        text_heads: attention heads of the text tower; None is one for every 64 channels, as OpenAI's all have.
        vision_heads: likewise of the image tower.
        hidden_act: of the MLPs; OpenAI's have quick_gelu, retrained ones often gelu.

    Raises:
        WeightsError: a tensor that every CLIP has is missing.
    """
    tokens = _shape(state, "text_model.embeddings.token_embedding.weight")
    patches = _shape(state, "vision_model.embeddings.patch_embedding.weight")
    positions = _shape(state, "vision_model.embeddings.position_embedding.weight")[0]
    text_layer, vision_layer = "text_model.encoder.layers.", "vision_model.encoder.layers."
    text = TextConfig(
        hidden_size=tokens[1],
        intermediate_size=_shape(state, text_layer + "0.mlp.fc1.bias")[0],
        num_hidden_layers=count_parts(state, text_layer),
        num_attention_heads=text_heads or max(1, tokens[1] // HEAD_WIDTH),
        hidden_act=hidden_act,
        vocab_size=tokens[0],
        max_position_embeddings=_shape(state, "text_model.embeddings.position_embedding.weight")[0],
        eos_token_id=tokens[0] - 1,
    )
    vision = VisionConfig(
        hidden_size=patches[0],
        intermediate_size=_shape(state, vision_layer + "0.mlp.fc1.bias")[0],
        num_hidden_layers=count_parts(state, vision_layer),
        num_attention_heads=vision_heads or max(1, patches[0] // HEAD_WIDTH),
        hidden_act=hidden_act,
        num_channels=patches[1],
        image_size=patches[2] * round((positions - 1) ** 0.5),
        patch_size=patches[2],
    )
    return ClipConfig(text_config=text, vision_config=vision, projection_dim=_shape(state, "text_projection.weight")[0])


def write_clip_folder(
    folder: Path, state: Mapping[str, Tensor], config: ClipConfig, surroundings: Path | None, source: str
) -> None:
    """Write a Hugging Face CLIP folder; one that has a config file is complete.

    Args:
        folder: made where absent.
        state: tensors under the names of `CLIPModel`; stored in their own precision.
        config: their architecture; loading is tried with it.
        surroundings: a tokenizer file, or a folder with one and perhaps a rule for pictures; None takes OpenAI's
            vocabulary, which comes with this package, and OpenAI's rule.
        source: name of the weights for messages.

    Raises:
        WeightsError: tensors that do not fit the architecture, or no tokenizer for its vocabulary.
    """
    kept = {name: value.detach().contiguous() for name, value in state.items() if name not in DROPPED}
    build_towers(config, kept, source)
    tokenizer = _tokenizer_files(surroundings, config.text_config.vocab_size)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / SAFE_FILE) as unfinished:
        save_file(kept, unfinished, metadata={"format": "pt"})
        (folder / CONFIG).unlink(missing_ok=True)
    for file in tokenizer:
        _copy(file, folder)
    beside = surroundings / PICTURE_RULE if surroundings is not None else None
    if beside is not None and beside.is_file():
        _copy(beside, folder)
    else:
        side = config.vision_config.image_size
        _write_json(folder / PICTURE_RULE, Preprocessing(resize=side, crop=(side, side)).to_hugging_face())
    _write_json(folder / CONFIG, config.to_hugging_face())


def config_beside(folder: Path) -> ClipConfig | None:
    """The architecture that a folder states, if it holds a `config.json` of a CLIP."""
    path = folder / CONFIG
    if not path.is_file():
        return None
    document = read_json(path, "the architecture")
    return parse_clip_config(document, str(path)) if document.get("model_type") == "clip" else None


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a file from which a CLIP tokenizer can be read."""
    return bool(present(folder, TOKENIZER_FILES))


def _tokenizer_files(given: Path | None, vocabulary: int) -> list[Path]:
    if given is None:
        if vocabulary != OPENAI_VOCABULARY:
            raise WeightsError(
                f"the text tower knows {vocabulary} tokens, expected {OPENAI_VOCABULARY} for the vocabulary that comes "
                "with this package; give the model's own tokenizer with --tokenizer"
            )
        return [Path(str(resources.files("coarse_to_fine") / "bundled" / "clip-vocabulary" / OPENAI_FILES[1]))]
    if given.is_dir():
        files = present(given, TOKENIZER_FILES)
    else:
        files = [given] if given.name in TOKENIZER_FILES and given.is_file() else []
    if not files:
        raise WeightsError(
            f"no tokenizer at {given}; expected {', '.join(TOKENIZER_FILES)}, or a folder with one; give that path"
        )
    return files


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    write_text_atomically(path, json.dumps(document, indent=2) + "\n")


def _copy(file: Path, folder: Path) -> None:
    write_atomically(folder / file.name, file.read_bytes())
