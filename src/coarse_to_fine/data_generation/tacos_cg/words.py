"""Content words and tf-idf vectors, as sparse dicts; no natural-language package."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache

from scipy.sparse import csr_array

STOP_LIST = """a an the and or of to in on into onto with from for it its is are was be as at by then he she they person
man woman his her their out up down off over some before after while that this them him one two"""
STOP = frozenset(STOP_LIST.split())
ENDINGS = ("ing", "ed", "es", "s")
SHORTEST = 3
TEXTS_AT_HAND = 4096
Vector = dict[str, float]


def content_words(text: str) -> list[str]:
    """Lower-case letter runs without stop words, stemmed."""
    return [stem(word) for word in re.findall(r"[a-z]+", text.lower()) if word not in STOP]


@lru_cache(maxsize=TEXTS_AT_HAND)
def word_set(text: str) -> frozenset[str]:
    """The different content words; those of the texts of a video are asked for again and again."""
    return frozenset(content_words(text))


@cache
def stem(word: str) -> str:
    """The word without the first of the endings ing, ed, es, s that leaves 3 letters: uses is use, bus stays."""
    found = (ending for ending in ENDINGS if word.endswith(ending) and len(word) - len(ending) >= SHORTEST)
    return word.removesuffix(next(found, ""))


@dataclass(frozen=True, slots=True)
class TfIdf:
    """idf of the content words of training documents; unseen words get the idf of document frequency 0."""

    idf: Mapping[str, float]
    unseen: float

    @classmethod
    def fit(cls, documents: Iterable[Sequence[str]]) -> TfIdf:
        """One document a video: all its sentences. idf = ln((N + 1) / (df + 1)) + 1."""
        frequency: Counter[str] = Counter()
        count = 0
        for words in documents:
            frequency.update(set(words))
            count += 1
        idf = {word: math.log((count + 1) / (df + 1)) + 1 for word, df in frequency.items()}
        return cls(idf, math.log(count + 1) + 1)

    def vector(self, words: Iterable[str]) -> Vector:
        """Unit-length (1 + ln tf) * idf."""
        weights = {
            word: (1 + math.log(count)) * self.idf.get(word, self.unseen) for word, count in Counter(words).items()
        }
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()} if length else {}


def vector_rows(vectors: Sequence[Vector]) -> csr_array:
    """Vectors as the rows of one matrix, a column for each word that occurs."""
    columns: dict[str, int] = {}
    places = [columns.setdefault(word, len(columns)) for vector in vectors for word in vector]
    starts = [0, *itertools.accumulate(len(vector) for vector in vectors)]
    weights = [weight for vector in vectors for weight in vector.values()]
    return csr_array((weights, places, starts), shape=(len(vectors), len(columns)), dtype=float)


def cosine(a: Vector, b: Vector) -> float:
    """Dot product of two unit vectors."""
    if len(b) < len(a):
        a, b = b, a
    return sum(weight * b[word] for word, weight in a.items() if word in b)


def jaccard(a: Set[str], b: Set[str]) -> float:
    """Shared part of two sets of words; two empty sets share nothing."""
    return len(a & b) / len(a | b) if a or b else 0.0
