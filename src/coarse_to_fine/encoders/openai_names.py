"""CLIP weights in the naming of OpenAI's own files under the names of Hugging Face `CLIPModel`.

The two hold the same numbers: OpenAI stacks query, key and value of an attention, and multiplies by its projections
from the left, so those are transposed.

Source: `clip/model.py` of OpenAI's CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from coarse_to_fine.errors import WeightsError
from coarse_to_fine.wording import counted

MARKS = ("token_embedding.weight", "visual.conv1.weight")
"""Names by which such a file is known."""

WHOLE = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "logit_scale": "logit_scale",
}
TRANSPOSED = {"text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}
TOWERS = {"transformer.resblocks.": "text_model", "visual.transformer.resblocks.": "vision_model"}
BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
DROPPED = {
    "input_resolution": "a number of the exported program; shapes tell it",
    "context_length": "a number of the exported program; shapes tell it",
    "vocab_size": "a number of the exported program; shapes tell it",
    "attn_mask": "a constant buffer of some copies",
}
"""Names that are left out on purpose, with the reason."""


def has_openai_names(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors are named as in OpenAI's files."""
    return all(name in state for name in MARKS)


def to_hugging_face(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The same weights under the names of `CLIPModel`.

    Args:
        state: tensors under OpenAI's names.
        source: name of the file for messages.

    Raises:
        WeightsError: a tensor that is not of a CLIP with a vision transformer.
    """
    renamed: dict[str, Tensor] = {}
    unknown = []
    for name, value in state.items():
        found = {} if name in DROPPED else _renamed(name, value)
        if found is None:
            unknown.append(name)
        else:
            renamed.update(found)
    if unknown:
        raise WeightsError(
            f"{source} has {counted(len(unknown), 'tensor')} that no CLIP with a vision transformer has, such as "
            f"{', '.join(sorted(unknown)[:4])}; expected ViT-B/32, B/16 or L/14, choose such a file"
        )
    return renamed


def _renamed(name: str, value: Tensor) -> dict[str, Tensor] | None:
    """One tensor under its new names; None for a name that is not known."""
    if name in WHOLE:
        return {WHOLE[name]: value}
    if name in TRANSPOSED:
        return {TRANSPOSED[name]: value.T}
    prefix = next((prefix for prefix in TOWERS if name.startswith(prefix)), None)
    if prefix is None:
        return None
    number, _, part = name[len(prefix) :].partition(".")
    start = f"{TOWERS[prefix]}.encoder.layers.{number}."
    if part in ("attn.in_proj_weight", "attn.in_proj_bias"):
        kind = part.rpartition("_")[2]
        rows = value.chunk(3)
        return {f"{start}self_attn.{letter}_proj.{kind}": own for letter, own in zip("qkv", rows, strict=True)}
    owner, _, kind = part.rpartition(".")
    return {f"{start}{BLOCK[owner]}.{kind}": value} if owner in BLOCK else None
