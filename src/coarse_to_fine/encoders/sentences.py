"""Sentences as text towers read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

TRANSFORMERS_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "tokenizer_config.json")
"""What a tokenizer of transformers is read from."""


@dataclass(frozen=True, slots=True)
class TokenizedSentence:
    """A sentence as the text tower reads it.

    Attributes:
        text: cleaned, and cut where the context ends.
        ids: token ids, start and end token included.
        truncated: whether words were cut.
        mask: True where an id is the sentence's, False where it is padding; None: no padding.
    """

    text: str
    ids: tuple[int, ...]
    truncated: bool
    mask: tuple[bool, ...] | None = None


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


def in_other_letters(sentence: str) -> bool:
    """Whether a sentence has letters of another script than the Latin one, which English is written in."""
    return any(letter.isalpha() and "LATIN" not in unicodedata.name(letter, "") for letter in sentence)
