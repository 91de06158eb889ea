"""What towers of every kind share: pictures in batches, and sentences cut at a word."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

IMAGE_BATCH = 32
TEXT_BATCH = 256


def embed_in_batches(
    pictures: UInt8[Tensor, "N S S 3"], width: int, embed: Callable[[Tensor], Tensor]
) -> Float[Tensor, "N D"]:
    """Embeddings of any number of pictures, float32 on the CPU; `embed` gets at most IMAGE_BATCH of them."""
    embedded = torch.zeros(len(pictures), width)
    for start in range(0, len(pictures), IMAGE_BATCH):
        embedded[start : start + IMAGE_BATCH] = embed(pictures[start : start + IMAGE_BATCH]).cpu()
    return embedded


def cut_at_a_word(sentence: str, count_tokens: Callable[[str], int], most: int) -> tuple[str, bool]:
    """The longest beginning of whole words with at most `most` tokens, and whether anything was cut.

    A single word that is too long stays; the tokenizer cuts it.
    """
    if count_tokens(sentence) <= most:
        return sentence, False
    words = sentence.split()
    fits, too_many = 1, len(words)
    while fits < too_many - 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if count_tokens(" ".join(words[:middle])) <= most else (fits, middle)
    return " ".join(words[:fits]), True
