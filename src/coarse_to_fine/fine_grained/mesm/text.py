"""Words as MESM reads them: which are real, unit vectors, and one vector for the sentence.

Axes: B batch, T words, W width of a word state or vector, N places of the text tower.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.feature_blocks import check_words
from coarse_to_fine.fine_grained.mesm.config import MesmConfig

EPSILON = 1e-5


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
    """The release's CLIP path: the first places of the tower, real where the id is not 0.

    Id 0 inside a sentence counts as padding too (a lone "!" of CLIP's vocabulary), as in the release.
    """
    return prepare_words(states[:, :max_words], ids[:, :max_words] != 0)


def cut_ids(ids: tuple[int, ...], max_words: int) -> tuple[int, ...]:
    """Token ids of at most `max_words` places: start, the first pieces, end."""
    return ids if len(ids) <= max_words else (*ids[: max_words - 1], ids[-1])


def table_words(ids: Int[Tensor, "B T"], table: Float[Tensor, "V W"]) -> TextRows:
    """The release's GloVe path: rows of a table, id 0 is padding and id 1 the unknown word."""
    return prepare_words(table[ids], ids != 0)


def given_words(vectors: Float[Tensor, "B T W"]) -> TextRows:
    """The release's path with vectors given directly, 0 at padding; unknown words were left out before."""
    unit = functional.normalize(vectors, dim=-1, eps=EPSILON)
    return prepare_words(vectors, unit.sum(-1) != 0, "unit")


def word_rows(tokens: Float[Tensor, "T W"], config: MesmConfig) -> Float[Tensor, "_ W"]:
    """The first `max_words` words of one sentence as unit rows.

    Raises:
        DataError: the width is not that of the model's text features, or there is no word.
    """
    check_words(tokens, config)
    rows: Tensor = functional.normalize(tokens[: config.max_words].to(torch.float32), dim=-1, eps=EPSILON)
    return rows
