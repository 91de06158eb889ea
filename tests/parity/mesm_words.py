"""The release's ways from token ids to words, and its groups of clips; here both come from stored features.

Axes: B batch, T words, W width of a word state or vector, N places of the text tower, L clips, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.checkpoint_files import count_parts
from coarse_to_fine.encoders.config import TextConfig
from coarse_to_fine.encoders.openai_names import to_hugging_face
from coarse_to_fine.encoders.towers import TextTower
from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.mesm.text import EPSILON

TOWER = "text_model."
HEAD_WIDTH = 64
"""Channels of an attention head in every CLIP that OpenAI published."""


class TextRows(NamedTuple):
    """Prepared sentences."""

    words: Tensor
    """(B, T, W) unit rows, 0 at padding."""
    mask: Tensor
    """(B, T) True = real word."""
    sentence: Tensor
    """(B, W) unit vector of the whole sentence; only the release's mask lets it matter."""


def prepare_words(
    words: Float[Tensor, "B T W"],
    mask: Bool[Tensor, "B T"],
    sentence_from: Literal["raw", "unit"] = "raw",
) -> TextRows:
    """Unit words and the sentence vector.

    Args:
        words: states of the text tower after its last norm, or word vectors.
        mask: real words.
        sentence_from: what the sentence vector is the mean of: the words as given (CLIP, GloVe table) or the unit words
            (the release's pickled vectors).
    """
    unit = functional.normalize(words, dim=-1, eps=EPSILON) * mask[..., None]
    source = words if sentence_from == "raw" else unit
    total = (source * mask[..., None]).sum(1)
    mean = total / mask.sum(1, keepdim=True).clamp(min=1)
    return TextRows(unit, mask, functional.normalize(mean, dim=-1, eps=EPSILON))


def clip_words(states: Float[Tensor, "B N W"], ids: Int[Tensor, "B N"], max_words: int) -> TextRows:
    """The first places of CLIP's text tower, real where the id is not 0 (a lone "!" counts as padding too)."""
    return prepare_words(states[:, :max_words], ids[:, :max_words] != 0)


def table_words(ids: Int[Tensor, "B T"], table: Float[Tensor, "V W"]) -> TextRows:
    """Rows of a table of word vectors; id 0 is padding and id 1 the unknown word."""
    return prepare_words(table[ids], ids != 0)


def given_words(vectors: Float[Tensor, "B T W"]) -> TextRows:
    """Vectors given directly, 0 at padding; unknown words were left out before."""
    unit = functional.normalize(vectors, dim=-1, eps=EPSILON)
    return prepare_words(vectors, unit.sum(-1) != 0, "unit")


def text_tower(state: Mapping[str, Tensor], heads: int | None = None) -> TextTower:
    """CLIP's text tower in eval mode from tensors under OpenAI's names; None: one head for every 64 channels."""
    renamed = to_hugging_face({name: value.float() for name, value in state.items()}, "the case")
    own = {name.removeprefix(TOWER): value for name, value in renamed.items() if name.startswith(TOWER)}
    words, width = own["embeddings.token_embedding.weight"].shape
    config = TextConfig(
        hidden_size=width,
        intermediate_size=own["encoder.layers.0.mlp.fc1.bias"].shape[0],
        num_hidden_layers=count_parts(own, "encoder.layers."),
        num_attention_heads=heads or max(1, width // HEAD_WIDTH),
        vocab_size=words,
        max_position_embeddings=own["embeddings.position_embedding.weight"].shape[0],
        eos_token_id=words - 1,
    )
    tower = TextTower(config)
    tower.load_state_dict(own)
    return tower.eval().requires_grad_(False)


def clips_of_group(
    clips: Float[Tensor, "B L D"], clip_mask: Bool[Tensor, "B L"], group: Int[Tensor, " B"]
) -> tuple[Float[Tensor, "B N D"], Bool[Tensor, "B N"]]:
    """For each row the real clips of all rows of its group, one after another.

    The release's QVHighlights groups hold different segments of a video; it sums them up together.
    """
    joined = {number: clips[group == number][clip_mask[group == number]] for number in group.tolist()}
    return pad_rows([joined[number] for number in group.tolist()])
