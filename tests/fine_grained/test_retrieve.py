"""Running a fine model over the candidates of sentences."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from coarse_to_fine.errors import UserError
from coarse_to_fine.fine_grained.retrieve import FineRetriever
from coarse_to_fine.types import MomentOutput, SegmentFeatures
from tests.fine_grained.conftest import segment, sentence, small_model

FEATURES = {f"s{clips}": segment(clips, seed=clips) for clips in (4, 9, 14, 20)}


class Counting(dict[str, SegmentFeatures]):
    """Features that count how often they are read."""

    reads = 0

    def __getitem__(self, segment_id: str) -> SegmentFeatures:
        self.reads += 1
        return super().__getitem__(segment_id)


def same(a: MomentOutput, b: MomentOutput) -> None:
    torch.testing.assert_close(a.saliency, b.saliency, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["similarity", "qd-detr"])
def test_each_sentence_gets_its_own_candidates(name: str) -> None:
    model = small_model(name)
    texts = [sentence(4, seed=1), sentence(7, seed=2)]
    candidates = [["s4", "s20"], ["s20", "s9", "s14"]]
    found = FineRetriever(model).locate(texts, candidates, FEATURES)
    assert [list(own) for own in found] == candidates
    for text, own in zip(texts, found, strict=True):
        for segment_id, output in own.items():
            same(output, model.locate([(model.video_cache(FEATURES[segment_id]), text)])[0])


def test_a_segment_is_prepared_once() -> None:
    features = Counting(FEATURES)
    retriever = FineRetriever(small_model("qd-detr"))
    texts = [sentence(4, seed=seed) for seed in range(3)]
    retriever.locate(texts, [["s4", "s9"]] * 3, features)
    retriever.locate(texts[:1], [["s9", "s4"]], features)
    assert features.reads == 2


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_the_number_of_kept_caches_is_bounded_and_does_not_change_results(keep: int) -> None:
    model = small_model("qd-detr")
    retriever = FineRetriever(model, keep=keep)
    for segment_id in [*FEATURES, *FEATURES]:
        (found,) = retriever.locate([sentence(4)], [[segment_id]], FEATURES)
        same(found[segment_id], model.locate([(model.video_cache(FEATURES[segment_id]), sentence(4))])[0])
        assert len(retriever._caches) <= keep


def test_no_candidates_give_nothing() -> None:
    assert FineRetriever(small_model("similarity")).locate([sentence(4)], [[]], FEATURES) == [{}]
    assert FineRetriever(small_model("similarity")).locate([], [], FEATURES) == []


@pytest.mark.parametrize("arguments", [{"keep": -1}, {"batch_size": 0}])
def test_impossible_settings_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        FineRetriever(small_model("qd-detr"), **arguments).locate([sentence(4)], [["s4"]], FEATURES)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(UserError, match="1 sentence with 2"):
        FineRetriever(small_model("similarity")).locate([sentence(4)], [["s4"], ["s9"]], FEATURES)
