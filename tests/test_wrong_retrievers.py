"""Retrievers used without a pipeline say what is no model, gallery, text or candidate, in one line."""

from __future__ import annotations

import pytest
import torch

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever
from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.retrieve import FineRetriever
from coarse_to_fine.library import Library
from coarse_to_fine.types import SegmentFeatures
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_videos

SENTENCE = "a red square moves"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrievers")
    write_videos(folder, 2)
    with Library.create(folder / "own.ctf", encoder=SmallEncoder()) as made:
        made.add(folder)
        yield made


@pytest.fixture(scope="module")
def text(library):
    return library.encoder.encode_text([SENTENCE])[0]


@pytest.fixture(scope="module")
def features(library) -> dict[str, SegmentFeatures]:
    ids = [segment.segment_id for segment in library.segments()]
    return dict(zip(ids, library.segment_features(ids)))


def refused(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "mean-pool"}, "model is 'mean-pool'; expected a coarse model; load one: load_coarse"),
        ({"model": type(load_coarse("mean-pool"))}, "model is the class MeanPool; expected a coarse model; "),
        ({"model": load_fine("similarity")}, "model is of type Similarity; expected a coarse model; "),
        ({"gallery": "videos.ctf"}, "gallery is 'videos.ctf'; expected a library, or what has generation and frames_m"),
        ({"gallery": Library}, "gallery is the class Library; expected a library, "),
        ({"candidates": {"kept": 3}}, "candidates is {'kept': 3}; expected a CandidateConfig; make one"),
        ({"engine": "milvus"}, "engine is 'milvus'; expected what has clear, extend and search, "),
        ({"memory_bytes": "4 GB"}, "memory_bytes is '4 GB'; expected a whole number; "),
    ],
)
def test_a_coarse_retriever_is_made_of_a_model_and_a_gallery(library, given, message):
    refused(lambda: CoarseRetriever(**{"model": load_coarse("mean-pool"), "gallery": library, **given}), message)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ([SENTENCE], rf"a value \['{SENTENCE}'\]"),
        (SENTENCE, f"a value '{SENTENCE}'"),
        (None, "a value None"),
        (torch.rand(16), r"a tensor of shape \(16,\)"),
        (torch.rand(1, 1, 16), r"a tensor of shape \(1, 1, 16\)"),
        (torch.rand(1, 16).numpy(), "a value of type ndarray"),
    ],
)
def test_what_is_ranked_for_are_embeddings(library, given, got):
    retriever = CoarseRetriever(load_coarse("mean-pool"), library)
    message = rf"the text is {got}; expected embeddings of sentences, a tensor of shape \(T, D\); encode them with"
    refused(lambda: retriever.rank(given), message)
    refused(lambda: retriever.score_videos(given), message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_videos": "3"}, "top_videos is '3'; expected a whole number"),
        ({"top_videos": 1.5}, "top_videos is 1.5; expected a whole number"),
        ({"segments_a_video": 0}, "segments_a_video is 0; expected 1 or more"),
        ({"seed": "a"}, "seed is 'a'; expected a whole number"),
    ],
)
def test_counts_and_seeds_of_a_ranking_are_whole_numbers(library, text, options, message):
    retriever = CoarseRetriever(load_coarse("mean-pool"), library)
    refused(lambda: retriever.rank(text.embedding[None], **options), message)


def test_no_video_at_all_may_be_ranked(library, text):
    retriever = CoarseRetriever(load_coarse("mean-pool"), library)
    assert retriever.rank(text.embedding[None], among=[]) == [[]]


def test_an_embedding_that_is_no_number_is_not_blamed_on_the_model(library, text):
    retriever = CoarseRetriever(load_coarse("mean-pool"), library)
    refused(lambda: retriever.rank(text.embedding[None] * torch.nan), "the embedding of a query holds inf or NaN; ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "similarity"}, "model is 'similarity'; expected a fine model; load one: load_fine"),
        ({"model": load_coarse("mean-pool")}, "model is of type MeanPool; expected a fine model; "),
        ({"keep": "all"}, "keep is 'all'; expected a whole number"),
        ({"batch_size": 0}, "batch_size is 0; expected 1 or more"),
    ],
)
def test_a_fine_retriever_is_made_of_a_model(given, message):
    refused(lambda: FineRetriever(**{"model": load_fine("similarity"), **given}), message)


def test_what_is_located_are_encoded_sentences_in_segments_with_features(features, text):
    retriever = FineRetriever(load_fine("similarity"))
    segment = next(iter(features))
    for texts, candidates, message in (
        ([SENTENCE], [[segment]], f"one of the texts is '{SENTENCE}'; expected the TextFeatures of a sentence; encode"),
        (SENTENCE, [[segment]], f"texts is the text '{SENTENCE}'; expected encoded sentences; "),
        ([text], [segment], f"the candidates of a sentence is the text '{segment}'; expected ids of segments; put it"),
        ([text], 5, "candidates is 5; expected one list of segment ids a sentence; give a list"),
        ([text], [["v9#0"]], "no features of the segment 'v9#0'; expected those of all candidates; read them with"),
    ):
        refused(lambda: retriever.locate(texts, candidates, features), message)  # noqa: B023
