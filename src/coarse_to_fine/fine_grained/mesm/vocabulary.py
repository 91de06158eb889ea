"""Classes and weights of the words that are guessed in training.

A sentence is a row of units, one for each row of its text features: token ids of a CLIP tokenizer (start and end
included), or words of a vector table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from coarse_to_fine.encoders.config import parse_clip_config, read_json
from coarse_to_fine.encoders.load import encoder_folder
from coarse_to_fine.encoders.tokenizer import ClipTokenizer, load_tokenizer
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.features.word_vectors import WordVectors, load_vectors
from coarse_to_fine.frozen_config import FrozenConfig

FUNCTION_LIST = """a an the this that these those some any each every no both all another other such
    i you he she it we they me him her us them my your his its our their mine yours hers ours theirs
    myself yourself himself herself itself ourselves themselves who whom whose which what where when why how
    and or but nor so yet if because as than while though although unless until since whether
    of in on at by for with about against between into through during before after above below to from up down out off
    over under again further then once here there across along around behind beside near onto toward towards upon
    within one two three four five six seven eight nine ten can could may might must shall should will would
    ' 's 're 've 'll 'd 'm . , ; : ! ? - ( ) " ` ... /"""
FUNCTION_WORDS = frozenset(FUNCTION_LIST.split())
"""Words that are no noun, verb, adjective or adverb of content; the release asks a tagger instead."""

CONTENT_WEIGHT, FUNCTION_WEIGHT = 2.0, 1.0


class MesmWordsConfig(FrozenConfig):
    """How sentences are split for guessing words; none of it changes what a trained model computes."""

    units: Literal["clip", "words"] = Field(
        default="clip", description="what a row of the text features is: a token of a CLIP encoder, or a word"
    )
    encoder: str = Field(default="tiny-world", description="units=clip: the encoder whose tokenizer splits sentences")
    vectors: Path | None = Field(default=None, description="units=words: the stored word vectors")


class Units(ABC):
    """Splits sentences into units; weights say how often a unit is masked."""

    extra_classes: int
    """Classes beside the vocabulary: unknown, and start and end where there are such units."""

    @abstractmethod
    def split(self, text: str) -> list[Hashable]:
        """One unit for each row of the sentence's features."""

    @abstractmethod
    def weight(self, unit: Hashable) -> float:
        """0 for start and end, twice as much for words of content as for others."""

    def special_class(self, unit: Hashable) -> int | None:
        """Place after the unknown class of start (1) and end (2); None for other units."""
        return None


class ClipUnits(Units):
    """Token ids. A word that is split into pieces is content; a piece alone is judged by its id."""

    extra_classes = 3

    def __init__(self, tokenizer: ClipTokenizer) -> None:
        self._tokenizer = tokenizer
        single = (sentence.ids[1:-1] for sentence in tokenizer.tokenize(sorted(FUNCTION_WORDS)))
        self._function = {ids[0] for ids in single if len(ids) == 1}

    def split(self, text: str) -> list[Hashable]:
        return list(self._tokenizer.tokenize([text])[0].ids)

    def weight(self, unit: Hashable) -> float:
        if self.special_class(unit) is not None:
            return 0.0
        return FUNCTION_WEIGHT if unit in self._function else CONTENT_WEIGHT

    def special_class(self, unit: Hashable) -> int | None:
        return {self._tokenizer.start_id: 1, self._tokenizer.end_id: 2}.get(unit)  # type: ignore[call-overload,no-any-return]


class WordUnits(Units):
    """Words that have a vector."""

    extra_classes = 1

    def __init__(self, vectors: WordVectors) -> None:
        self._vectors = vectors

    def split(self, text: str) -> list[Hashable]:
        return list(self._vectors.known(text))

    def weight(self, unit: Hashable) -> float:
        return FUNCTION_WEIGHT if unit in FUNCTION_WORDS else CONTENT_WEIGHT


def make_units(config: MesmWordsConfig) -> Units:
    """The splitter of a configuration.

    Raises:
        ConfigError: units=words without a file of vectors.
        WeightsError: the encoder's tokenizer is not on this machine.
    """
    if config.units == "words":
        if config.vectors is None:
            raise ConfigError(
                "units is 'words' and vectors is not set; expected the stored word vectors, name the file"
            )
        return WordUnits(load_vectors(config.vectors))
    folder = encoder_folder(config.encoder)
    architecture = parse_clip_config(read_json(folder / "config.json", "the architecture"), str(folder))
    return ClipUnits(load_tokenizer(folder, architecture.text_config.max_position_embeddings))


class Vocabulary:
    """The most frequent units of the training sentences, by rank; all others are one class.

    Classes: 0..V-1 the units by falling frequency (ties by their order as text), V unknown, then start and end.
    """

    def __init__(self, units: Units, sentences: Iterable[str], classes: int) -> None:
        """Count the units of the training sentences.

        Args:
            units: the splitter.
            sentences: those of the training split.
            classes: classes of the model's head; V is what the special ones leave.
        """
        self.units = units
        self.size = classes - units.extra_classes
        if self.size < 1:
            raise ConfigError(f"word_classes is {classes}, expected at least {units.extra_classes + 1}; raise it")
        counts: Counter[Hashable] = Counter()
        for text in sentences:
            counts.update(unit for unit in units.split(text) if units.special_class(unit) is None)
        ranked = sorted(counts, key=lambda unit: (-counts[unit], str(unit)))
        self._rank = {unit: rank for rank, unit in enumerate(ranked[: self.size])}

    def look_up(self, text: str, rows: int, max_words: int) -> tuple[Tensor, Tensor, Tensor]:
        """Class, whether it is unknown, and weight of each of the first `max_words` rows of a sentence, each (T,).

        Raises:
            DataError: the sentence splits into another number of units than its features have rows.
        """
        units = self.units.split(text)
        if len(units) != rows:
            raise DataError(
                f"{text!r} has {rows} word states and splits into {len(units)} units; expected the same number; "
                "name the encoder or the vectors that made the features (recipe.words)"
            )
        units = units[:max_words]
        classes = torch.tensor([self._class(unit) for unit in units])
        weights = torch.tensor([self.units.weight(unit) for unit in units])
        return classes, classes == self.size, weights

    def _class(self, unit: Hashable) -> int:
        special = self.units.special_class(unit)
        return self._rank.get(unit, self.size) if special is None else self.size + special
