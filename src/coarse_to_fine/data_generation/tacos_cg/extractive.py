"""Captions without a language model: a few sentences of a video that together say most of it.

Sentences are picked by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), joined in the order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coarse_to_fine.data_generation.tacos_cg.words import TfIdf, Vector, content_words, cosine
from coarse_to_fine.datasets.records import MomentQuery

RELEVANCE = 0.7
REPEATED_TEXT = 0.5
FEWEST_WORDS, MOST_WORDS = 3, 20


@dataclass(frozen=True, slots=True)
class Caption:
    """A coarse caption and the fine sentences that it was made from."""

    text: str
    source_query_ids: tuple[str, ...]


def extractive_captions(
    queries: Sequence[MomentQuery], tf_idf: TfIdf, variants: int = 5, sentences: int = 2
) -> list[Caption]:
    """`variants` captions of `sentences` fine sentences each; deterministic, ties go to the earlier sentence.

    Args:
        queries: fine sentences of one video in file order.
        tf_idf: fitted on training videos.
        variants: how many captions; fewer come back if the video has too few sentences.
        sentences: fine sentences joined in one caption.
    """
    candidates = [query for query in queries if FEWEST_WORDS <= len(query.text.split()) <= MOST_WORDS]
    document = tf_idf.vector(word for query in queries for word in content_words(query.text))
    vectors = [tf_idf.vector(content_words(query.text)) for query in candidates]
    relevance = [cosine(vector, document) for vector in vectors]
    used: set[int] = set()
    captions = []
    for _ in range(variants):
        picked = _pick(candidates, vectors, relevance, used, sentences)
        if not picked:
            break
        used.update(picked)
        captions.append(join([candidates[index] for index in picked]))
    return captions


def join(queries: Sequence[MomentQuery]) -> Caption:
    """Sentences in the order of time, joined by "; ", one full stop at the end."""
    ordered = sorted(queries, key=lambda query: query.windows_s[0] if query.windows_s else (0.0, 0.0))
    pieces = [query.text.strip().rstrip(".").strip() for query in ordered]
    text = "; ".join(pieces[:1] + [piece[:1].lower() + piece[1:] for piece in pieces[1:]]) + "."
    return Caption(text, tuple(query.query_id for query in ordered))


def _pick(
    candidates: Sequence[MomentQuery],
    vectors: Sequence[Vector],
    relevance: Sequence[float],
    used: set[int],
    sentences: int,
) -> list[int]:
    picked: list[int] = []
    used_texts = {candidates[index].text.lower() for index in used}
    while len(picked) < sentences:
        best, best_score = -1, float("-inf")
        for index, vector in enumerate(vectors):
            if index in used or index in picked:
                continue
            redundancy = max((cosine(vector, vectors[other]) for other in picked), default=0.0)
            score = RELEVANCE * relevance[index] - (1 - RELEVANCE) * redundancy
            if candidates[index].text.lower() in used_texts:
                score -= REPEATED_TEXT
            if score > best_score:
                best, best_score = index, score
        if best < 0:
            return []
        picked.append(best)
    return picked
