"""Videos of a gallery are ranked by their best segment, whatever the blocks, the memory and the other texts are."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from torch import Tensor

from coarse_to_fine.coarse_grained import COARSE_MODELS
from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.errors import UserError
from tests.coarse_grained.models import WIDTH, features, small_model


class Block(NamedTuple):
    segment_ids: list[str]
    frames: Tensor


class ListedGallery:
    """A gallery in memory; `put` replaces its content as a writer would."""

    def __init__(self, blocks: list[Block]) -> None:
        self.generation = 0
        self._blocks = blocks

    def put(self, blocks: list[Block]) -> None:
        self._blocks = blocks
        self.generation += 1

    def frames_matrix(self) -> list[Block]:
        return self._blocks


SEGMENTS = [f"{video}#{number}" for video, count in (("b", 2), ("a", 1), ("d", 3), ("c", 1)) for number in range(count)]


@pytest.fixture(params=list(COARSE_MODELS))
def model(request) -> CoarseModel:
    return small_model(request.param)


def gallery(*sizes: int, seed: int = 0) -> tuple[ListedGallery, Tensor, Tensor]:
    """Seven segments of four videos in blocks of these sizes; their frames; three texts."""
    text, frames = features(3, len(SEGMENTS), seed)
    ids = list(SEGMENTS)
    blocks = [Block(ids[start : start + size], frames[start : start + size]) for start, size in bounds(sizes)]
    return ListedGallery(blocks), text, frames


def bounds(sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return list(zip(starts, sizes))


def slow_order(scores: list[float]) -> list[tuple[str, float, list[str]]]:
    """Videos by their best segment, written the obvious way."""
    by_video: dict[str, list[tuple[float, str]]] = {}
    for segment, score in zip(SEGMENTS, scores):
        by_video.setdefault(segment.split("#")[0], []).append((score, segment))
    best = {video: sorted(own, key=lambda pair: -pair[0]) for video, own in by_video.items()}
    order = sorted(sorted(best), key=lambda video: -best[video][0][0])
    return [(video, best[video][0][0], [segment for _, segment in best[video]]) for video in order]


@pytest.mark.parametrize("sizes", [(7,), (2, 1, 4), (1,) * 7])
def test_ranks_equal_the_obvious_order_for_any_blocks(model: CoarseModel, sizes: tuple[int, ...]):
    searched, text, frames = gallery(*sizes)
    found = CoarseRetriever(model, searched).rank(text, top_videos=4, segments_a_video=9, seed=1)
    for row, ranked in zip(model.score(text, frames, seed=1), found):
        expected = slow_order(row.tolist())
        assert [video.video_id for video in ranked] == [video for video, _, _ in expected]
        assert [list(video.segment_ids) for video in ranked] == [segments for _, _, segments in expected]
        assert [video.score for video in ranked] == pytest.approx([score for _, score, _ in expected], abs=1e-5)
        assert [video.rank for video in ranked] == [1, 2, 3, 4]


def test_many_texts_are_ranked_as_one_by_one(model: CoarseModel, monkeypatch: pytest.MonkeyPatch):
    searched, text, _ = gallery(3, 4)
    retriever = CoarseRetriever(model, searched)
    together = retriever.rank(text)
    monkeypatch.setattr("coarse_to_fine.coarse_grained.retrieve.SCORES_AT_ONCE", 7)
    for index, ranked in enumerate(together):
        alone = retriever.rank(text[index : index + 1])[0]
        assert [(video.video_id, video.segment_ids) for video in alone] == [
            (video.video_id, video.segment_ids) for video in ranked
        ]
    assert [len(ranked) for ranked in retriever.rank(text)] == [4, 4, 4]


@pytest.mark.parametrize("memory", [0, 10_000])
def test_little_memory_changes_no_result(model: CoarseModel, memory: int):
    searched, text, _ = gallery(2, 2, 3)
    assert CoarseRetriever(model, searched, memory_bytes=memory).rank(text) == CoarseRetriever(model, searched).rank(
        text
    )


def test_equal_segments_come_in_the_order_of_their_ids(model: CoarseModel):
    text, frames = features(2, 1)
    blocks = [Block(["z#0", "m#1"], frames.expand(2, -1, -1)), Block(["m#0", "k#0"], frames.expand(2, -1, -1))]
    for ranked in CoarseRetriever(model, ListedGallery(blocks)).rank(text, segments_a_video=2):
        assert [video.segment_ids for video in ranked] == [("k#0",), ("m#0", "m#1"), ("z#0",)]


def test_a_changed_gallery_is_seen_and_only_new_blocks_are_prepared():
    prepared = []

    class Counting(TMass):
        def video_cache(self, frames: Tensor) -> VideoCache:
            prepared.append(len(frames))
            return super().video_cache(frames)

    model = Counting(TMassConfig(embed_dim=WIDTH)).eval()
    text, frames = features(1, 5)
    first, second = Block(["a#0", "b#0"], frames[:2]), Block(["c#0", "d#0", "e#0"], frames[2:])
    searched = ListedGallery([first])
    retriever = CoarseRetriever(model, searched)
    assert len(retriever.rank(text)[0]) == 2
    searched.put([first, second])
    assert len(retriever.rank(text)[0]) == 5
    assert len(retriever.rank(text, top_videos=3)[0]) == 3
    assert prepared == [2, 3]


def test_an_empty_gallery_gives_empty_lists_and_no_text_gives_none(model: CoarseModel):
    text, _ = features(2, 1)
    assert CoarseRetriever(model, ListedGallery([])).rank(text) == [[], []]
    searched, text, _ = gallery(7)
    assert CoarseRetriever(model, searched).rank(text[:0]) == []


def test_counts_below_one_are_refused(model: CoarseModel):
    searched, text, _ = gallery(7)
    with pytest.raises(UserError, match="top_videos is 0"):
        CoarseRetriever(model, searched).rank(text, top_videos=0)


def test_features_that_are_no_numbers_are_named_by_their_segment(model: CoarseModel):
    searched, text, frames = gallery(2, 5)
    frames[3, 0, 0] = float("nan")
    with pytest.raises(UserError, match=f"the features of the segment '{SEGMENTS[3]}' hold inf or NaN; expected finit"):
        CoarseRetriever(model, searched).rank(text)
