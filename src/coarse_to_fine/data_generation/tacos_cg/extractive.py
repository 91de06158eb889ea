"""Captions without a language model: a few sentences of a video that together say most of it.

Sentences are picked by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), joined in the order of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, Vector, content_words, cosine
from coarse_to_fine.datasets.records import MomentQuery

RELEVANCE = 0.7
REPEATED_TEXT = 0.5
FEWEST_WORDS, MOST_WORDS = 3, 20
LAST_TRIED = 10
"""Sentences that are tried as the last of a caption after the same first ones."""
Accept = Callable[[str, Sequence[str]], bool]
"""accept(caption, earlier captions of the video) -> whether the caption may be used."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A coarse caption and the fine sentences that it was made from."""

    text: str
    source_query_ids: tuple[str, ...]


def extractive_captions(
    queries: Sequence[MomentQuery],
    tf_idf: TfIdf,
    variants: int = 5,
    sentences: int = 2,
    accept: Accept = lambda text, earlier: True,
) -> list[Caption]:
    """`variants` captions of `sentences` fine sentences each; deterministic, ties go to the earlier sentence.

    A caption that is not accepted gives way to the next in the ranking: another last sentence, another first one, then
    fewer sentences.

    Args:
        queries: fine sentences of one video in file order.
        tf_idf: fitted on training videos.
        variants: how many captions; fewer come back if the video has too few sentences, or no more to accept.
        sentences: fine sentences joined in one caption.
        accept: what a caption must satisfy.
    """
    candidates = [query for query in queries if FEWEST_WORDS <= len(query.text.split()) <= MOST_WORDS]
    document = tf_idf.vector(word for query in queries for word in content_words(query.text))
    vectors = [tf_idf.vector(content_words(query.text)) for query in candidates]
    relevance = [cosine(vector, document) for vector in vectors]
    used: set[int] = set()
    captions: list[Caption] = []
    for _ in range(variants):
        earlier = [caption.text for caption in captions]
        ranking = (
            (picked, join([candidates[index] for index in picked]))
            for picked in _ranking(candidates, vectors, relevance, used, sentences)
        )
        found = next(((picked, caption) for picked, caption in ranking if accept(caption.text, earlier)), None)
        if found is None:
            break
        used.update(found[0])
        captions.append(found[1])
    return captions


def join(queries: Sequence[MomentQuery]) -> Caption:
    """Sentences in the order of time, joined by "; ", one full stop at the end."""
    ordered = sorted(queries, key=lambda query: query.windows_s[0] if query.windows_s else (0.0, 0.0))
    pieces = [query.text.strip().rstrip(".").strip() for query in ordered]
    text = "; ".join(pieces[:1] + [piece[:1].lower() + piece[1:] for piece in pieces[1:]]) + "."
    return Caption(text, tuple(query.query_id for query in ordered))


def _ranking(
    candidates: Sequence[MomentQuery],
    vectors: Sequence[Vector],
    relevance: Sequence[float],
    used: set[int],
    sentences: int,
) -> Iterator[list[int]]:
    """Sentences to join, picked by maximal marginal relevance and then their alternatives, down to two of them."""
    used_texts = {candidates[index].text.lower() for index in used}

    def best(picked: list[int]) -> list[int]:
        scores = {}
        for index in set(range(len(vectors))) - used - set(picked):
            redundancy = max((cosine(vectors[index], vectors[other]) for other in picked), default=0.0)
            scores[index] = RELEVANCE * relevance[index] - (1 - RELEVANCE) * redundancy
            scores[index] -= REPEATED_TEXT * (candidates[index].text.lower() in used_texts)
        return sorted(scores, key=lambda index: (-scores[index], index))

    def chains(picked: list[int], size: int) -> Iterator[list[int]]:
        if len(picked) == size:
            yield picked
            return
        tried = None if not picked else LAST_TRIED if len(picked) == size - 1 else 1
        for index in best(picked)[:tried]:
            yield from chains([*picked, index], size)

    for size in range(sentences, min(sentences, 2) - 1, -1):
        yield from chains([], size)
