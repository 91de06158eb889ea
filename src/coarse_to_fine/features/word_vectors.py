"""Word vectors from a file of the user (GloVe's text format), and sentences made of them.

Axes: T words of a sentence, W width of a vector.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.errors import DataError
from coarse_to_fine.types import TextFeatures
from coarse_to_fine.wording import counted, why

CONTRACTION = re.compile(r"(?<=\w)(n't|'s|'re|'ve|'ll|'d|'m)\b")
WORD = re.compile(r"n't\b|'\w+|\w+(?:[-.]\w+)*|\.\.\.|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Lower-case words and punctuation marks; contractions are split as treebank tokenisers do.

    The release calls `nltk.word_tokenize`; on plain sentences the result is the same.

    Example:
        >>> split_words("The person's dog doesn't bark.")
        ['the', 'person', "'s", 'dog', 'does', "n't", 'bark', '.']
    """
    return WORD.findall(CONTRACTION.sub(r" \1", text.lower().replace("’", "'")))


@dataclass(frozen=True)
class WordVectors:
    """A table of word vectors.

    Attributes:
        words: row of each word.
        table: (V, W) vectors.
        unknown: (W,) vector of all other words; None: they are left out of a sentence. The release draws it anew at
            each start; here it is stored with the table.
    """

    words: dict[str, int]
    table: Float[Tensor, "V W"]
    unknown: Float[Tensor, " W"] | None = None

    @property
    def token_dim(self) -> int:
        return int(self.table.shape[1])

    def known(self, text: str) -> list[str]:
        """The words of a sentence that have a vector, in order."""
        return [word for word in split_words(text) if word in self.words or self.unknown is not None]

    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        """Word vectors as the states of the words, their mean as the embedding.

        Raises:
            DataError: a sentence has no word with a vector.
        """
        return [self._encode(sentence) for sentence in sentences]

    def _encode(self, sentence: str) -> TextFeatures:
        words = self.known(sentence)
        if not words:
            raise DataError(f"no word of {sentence!r} has a vector, expected at least one; use a larger vector file")
        tokens = torch.stack([self._vector(word) for word in words])
        return TextFeatures(" ".join(words), tokens.mean(0), tokens)

    def _vector(self, word: str) -> Tensor:
        if word not in self.words:
            assert self.unknown is not None
            return self.unknown
        return self.table[self.words[word]]

    def save(self, path: str | Path) -> None:
        """Write the table to a safetensors file, the words as JSON in its header."""
        tensors = {"table": self.table.contiguous()}
        if self.unknown is not None:
            tensors["unknown"] = self.unknown.contiguous()
        ordered = sorted(self.words, key=self.words.__getitem__)
        with replacing(Path(path)) as unfinished:
            save_file(tensors, unfinished, metadata={"words": json.dumps(ordered)})


def load_vectors(path: str | Path) -> WordVectors:
    """A table written by `WordVectors.save`.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            words = json.loads(file.metadata()["words"])
            names = set(file.keys())
            table = file.get_tensor("table")
            unknown = file.get_tensor("unknown") if "unknown" in names else None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} holds no word vectors ({why(error)}); expected a file written by `WordVectors.save`, make it again"
        ) from error
    return WordVectors({word: row for row, word in enumerate(words)}, table, unknown)


def read_glove(path: str | Path, words: Collection[str] | None = None, unknown_seed: int | None = None) -> WordVectors:
    """Vectors of a file in GloVe's text format: a word, which may hold blanks, and its numbers a line.

    Args:
        path: for instance `glove.6B.300d.txt`.
        words: which to keep; None: all of them.
        unknown_seed: draw a vector N(0, 1) for all other words; None: they are left out.

    Raises:
        DataError: the file cannot be read, a line lacks values, or none of the words is there.
    """
    wanted = None if words is None else set(words)
    rows: dict[str, list[float]] = {}
    width = 0
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                parts = line.rstrip("\n").split(" ")
                width = width or len(parts) - 1
                word = " ".join(parts[:-width])
                if not word:
                    raise ValueError(f"line {number} has {counted(len(parts) - 1, 'value')} after the word")
                if wanted is None or word in wanted:
                    rows[word] = [float(value) for value in parts[-width:]]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as word vectors ({why(error)}); expected a word and {width or 'its'} numbers a "
            "line, as in glove.6B.300d.txt; get the file again"
        ) from error
    if not rows:
        raise DataError(
            f"{path} has none of the {counted(len(wanted or ()), 'word')}; expected a file in GloVe's text format"
        )
    unknown = None
    if unknown_seed is not None:
        unknown = torch.randn(width, generator=torch.Generator().manual_seed(unknown_seed))
    ordered = sorted(rows)
    table = torch.tensor([rows[word] for word in ordered], dtype=torch.float32)
    return WordVectors({word: row for row, word in enumerate(ordered)}, table, unknown)


def words_of(sentences: Iterable[str]) -> set[str]:
    """All words of some sentences."""
    return {word for sentence in sentences for word in split_words(sentence)}
