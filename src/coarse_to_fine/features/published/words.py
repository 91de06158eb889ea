"""Text features that are made of word vectors: the states of the words, and their mean as the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.features.extract import TEXT_KIND
from coarse_to_fine.features.published.config import WordTexts
from coarse_to_fine.features.published.importing import ImportReport, Missing, declared, refuse_missing
from coarse_to_fine.features.store import Manifest
from coarse_to_fine.features.word_vectors import WordVectors, read_glove, words_of
from coarse_to_fine.features.writer import FeatureWriter
from coarse_to_fine.file_hashes import sha256_of

VECTORS = "vectors.safetensors"


def import_words(
    config: WordTexts, queries: Sequence[MomentQuery], folder: Path, *, missing: Missing = "refuse"
) -> ImportReport:
    """Text features of queries, one item a distinct sentence; the vectors themselves lie beside the folder.

    Args:
        config: the file of vectors.
        queries: whose sentences are looked up.
        folder: of the features; its parent gets `vectors.safetensors`, which a MESM of GloVe words asks for.
        missing: what to do with sentences none of whose words has a vector; `absent` holds the ids of their queries.

    Raises:
        DataError: the file of vectors is damaged, or sentences have no vector at all.
    """
    vectors = read_glove(config.path, words_of(query.text for query in queries), config.unknown_seed)
    absent = [query.query_id for query in queries if not vectors.known(query.text)]
    refuse_missing(absent, len(queries), missing, "query", "queries")
    sentences = dict.fromkeys(query.text for query in queries if vectors.known(query.text))
    folder.parent.mkdir(parents=True, exist_ok=True)
    vectors.save(folder.parent / VECTORS)
    made = 0
    with FeatureWriter(folder, _manifest(config, vectors), dtype=torch.float32) as writer:
        for sentence in sentences:
            if not writer.has(sentence):
                (found,) = vectors.encode_text([sentence])
                tensors = {"embedding": found.embedding, "tokens": found.tokens}
                writer.add(sentence, tensors, truncated=False)
                made += 1
    return ImportReport(made, len(sentences) - made, absent=tuple(absent))


def _manifest(config: WordTexts, vectors: WordVectors) -> Manifest:
    about = {
        "name": Path(config.path).name,
        "file_sha256": sha256_of(Path(config.path)),
        "unknown_seed": config.unknown_seed,
        "width": vectors.token_dim,
        "token_width": vectors.token_dim,
        "normalised": False,
        "sentence": "mean of the word states",
    }
    return Manifest(TEXT_KIND, declared(about), {})
