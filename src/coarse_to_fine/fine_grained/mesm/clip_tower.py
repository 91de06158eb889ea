"""CLIP's text tower from a file in OpenAI's naming, as the release keeps it beside its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from coarse_to_fine.encoders.config import TextConfig
from coarse_to_fine.encoders.towers import TextTower
from coarse_to_fine.errors import WeightsError

HEAD_WIDTH = 64
"""Channels of an attention head in every CLIP that OpenAI published."""

WHOLE = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
DROPPED = ("text_projection", "logit_scale", "visual.")
"""Not part of the word states: the projection behind them, the temperature, the image tower."""

BLOCKS = "transformer.resblocks."


def text_tower(state: Mapping[str, Tensor], heads: int | None = None) -> TextTower:
    """The text tower in eval mode, float32; its states are the words that MESM reads.

    Args:
        state: tensors under OpenAI's names.
        heads: attention heads; None: one for every 64 channels.

    Raises:
        WeightsError: a tensor that is not of such a tower, or one is missing.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith(DROPPED):
            renamed.update(_renamed(name, value.float()))
    missing = sorted(set(WHOLE.values()) - renamed.keys())
    if missing:
        raise WeightsError(f"no {', '.join(missing)} in the file, expected a CLIP text tower; give OpenAI's file")
    words, width = renamed["embeddings.token_embedding.weight"].shape
    config = TextConfig(
        hidden_size=width,
        intermediate_size=renamed["encoder.layers.0.mlp.fc1.bias"].shape[0],
        num_hidden_layers=len({name.split(".")[2] for name in renamed if name.startswith("encoder.layers.")}),
        num_attention_heads=heads or max(1, width // HEAD_WIDTH),
        vocab_size=words,
        max_position_embeddings=renamed["embeddings.position_embedding.weight"].shape[0],
        eos_token_id=words - 1,
    )
    tower = TextTower(config)
    tower.load_state_dict(renamed)
    return tower.eval().requires_grad_(False)


def _renamed(name: str, value: Tensor) -> dict[str, Tensor]:
    if name in WHOLE:
        return {WHOLE[name]: value}
    if not name.startswith(BLOCKS):
        raise WeightsError(f"unknown tensor {name}, expected a CLIP text tower in OpenAI's naming; give that file")
    number, _, part = name[len(BLOCKS) :].partition(".")
    start = f"encoder.layers.{number}."
    if part.startswith("attn.in_proj_"):
        kind = part.rpartition("_")[2]
        return {
            f"{start}self_attn.{letter}_proj.{kind}": rows for letter, rows in zip("qkv", value.chunk(3), strict=True)
        }
    owner, _, kind = part.rpartition(".")
    if owner not in BLOCK:
        raise WeightsError(f"unknown tensor {name}, expected a CLIP text tower in OpenAI's naming; give that file")
    return {f"{start}{BLOCK[owner]}.{kind}": value}
