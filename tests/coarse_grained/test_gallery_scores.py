"""Scores of a gallery that is read in blocks: those of the whole matrix, whatever the cut."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from coarse_to_fine.coarse_grained import COARSE_MODELS, gallery_scores
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.gallery_scores import video_scores
from coarse_to_fine.coarse_grained.ranking import best_per_video
from coarse_to_fine.coarse_grained.rescoring import scores_as_searched
from tests.coarse_grained.models import features, small_model

SEGMENTS = [1, 1, 5, 2, 9, 1, 70, 1, 3, 2, 1, 1]


def scored(model: CoarseModel, text: Tensor, frames: Tensor, at_once: int) -> Tensor:
    stream = video_scores(model, text, SEGMENTS, lambda columns: frames[columns], 3, at_once)
    first, again = ([torch.from_numpy(block.scores) for block in stream()] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), "a stream is read twice"
    return torch.cat(first, dim=1)


@pytest.mark.parametrize("texts", [1, 9])
@pytest.mark.parametrize("name", COARSE_MODELS)
def test_every_cut_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch, name: str, texts: int):
    model = small_model(name, rescored=6)
    text, frames = features(texts, sum(SEGMENTS))
    whole = scored(model, text, frames, 4096)
    for at_once in (1, 7):
        assert torch.equal(scored(model, text, frames, at_once), whole)
    monkeypatch.setattr(gallery_scores, "SCORES_HELD", 0)
    assert torch.equal(scored(model, text, frames, 7), whole)
    owner = torch.arange(len(SEGMENTS)).repeat_interleave(torch.tensor(SEGMENTS))
    plain = scores_as_searched(model, text, frames, model.ranker.video_cache(frames), 3)
    torch.testing.assert_close(whole, best_per_video(plain, owner, len(SEGMENTS)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", COARSE_MODELS)
def test_videos_with_the_same_frames_tie_in_any_blocks(name: str):
    model = small_model(name, rescored=100)
    text, frames = features(5, sum(SEGMENTS))
    frames[0] = frames[-1] = frames[7 + 2]  # the first and the last video, and all of the fourth
    frames[7 + 1] = frames[7]
    frames[7 : 7 + 2] = frames[0]
    for at_once in (1, 7, 4096):
        scores = scored(model, text, frames, at_once)
        assert torch.equal(scores[:, 0], scores[:, -1]) and torch.equal(scores[:, 0], scores[:, 3])


def test_no_block_holds_more_than_it_may(monkeypatch: pytest.MonkeyPatch):
    model = small_model("mean-pool")
    text, frames = features(9, sum(SEGMENTS))
    monkeypatch.setattr(gallery_scores, "SCORES_AT_ONCE", 9 * 4)
    asked: list[int] = []

    def frames_of(columns: Tensor) -> Tensor:
        asked.append(len(columns))
        return frames[columns]

    widths = [block.scores.shape[1] for block in video_scores(model, text, SEGMENTS, frames_of)()]
    assert asked == [2, 5, 2, 9, 1, 70, 4, 4] and widths == [2, 1, 1, 1, 1, 1, 2, 3]
