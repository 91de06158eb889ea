"""The first choice of a large gallery keeps what an exact ranking would put first, and exact scores stay exact."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from coarse_to_fine.coarse_grained import COARSE_MODELS
from coarse_to_fine.coarse_grained.base import CoarseModel, unit
from coarse_to_fine.coarse_grained.candidates import CandidateConfig, Candidates, FrameCosines, main_directions
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever
from tests.coarse_grained.models import features, small_model
from tests.coarse_grained.test_retrieve import Block, ListedGallery

SEGMENTS = 400


def gallery(frames: Tensor, size: int = 150) -> ListedGallery:
    ids = [f"v{row:03d}#0" for row in range(len(frames))]
    return ListedGallery(
        [Block(ids[start : start + size], frames[start : start + size]) for start in range(0, len(frames), size)]
    )


@pytest.fixture(params=list(COARSE_MODELS))
def model(request):
    return small_model(request.param, rescored=20)


def near_its_start(model: CoarseModel) -> CoarseModel:
    """A head that still means what its encoder means, as a trained one does; random weights would mean nothing."""
    moved = type(model)(model.config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    return moved.eval()


def test_candidates_get_exact_scores_and_nearly_all_of_the_exact_first_are_among_them(model):
    model = near_its_start(model)
    text, frames = features(12, SEGMENTS)
    exact = CoarseRetriever(model, gallery(frames)).rank(text, top_videos=10)
    chosen = CoarseRetriever(model, gallery(frames), candidates=CandidateConfig(from_segments=0, kept=100)).rank(text)
    kept = 0
    for ours, theirs in zip(chosen, exact):
        scores = {video.video_id: video.score for video in theirs}
        kept += len(scores.keys() & {video.video_id for video in ours})
        for video in ours:
            assert video.score == pytest.approx(scores.get(video.video_id, video.score), abs=1e-5)
        assert [video.score for video in ours] == sorted((video.score for video in ours), reverse=True)
    assert kept >= 0.95 * 10 * len(text)


def test_the_whole_gallery_as_candidates_is_the_exact_ranking(model):
    text, frames = features(3, 60)
    exact = CoarseRetriever(model, gallery(frames)).rank(text, top_videos=60)
    config = CandidateConfig(from_segments=0, kept=59, fraction=0)
    assert config.count(60, wanted=60) == 60
    all_but_one = CoarseRetriever(model, gallery(frames), candidates=config).rank(text, top_videos=10)
    for ours, theirs in zip(all_but_one, exact):
        assert [video.video_id for video in ours] == [video.video_id for video in theirs[:10]]
        assert [video.score for video in ours] == pytest.approx([video.score for video in theirs[:10]], abs=1e-5)


def test_small_galleries_are_scored_whole():
    config = CandidateConfig(from_segments=1000, kept=50, fraction=0.1)
    assert [config.count(size) for size in (0, 999, 1000, 5000)] == [0, 999, 100, 500]
    assert config.count(1000, wanted=200) == 800
    assert config.count(1000, wanted=10**9) == 1000


def test_no_more_videos_come_back_than_candidates():
    text, frames = features(2, 50)
    config = CandidateConfig(from_segments=0, kept=5, fraction=0)
    for ranked in CoarseRetriever(small_model("t-mass"), gallery(frames), candidates=config).rank(text, top_videos=1):
        assert [video.rank for video in ranked] == [1]


def test_a_changed_gallery_is_held_anew():
    text, frames = features(1, 60)
    searched = gallery(frames[:40], size=20)
    config = CandidateConfig(from_segments=0, kept=15, fraction=0)
    retriever = CoarseRetriever(small_model("t-mass"), searched, candidates=config)
    retriever.rank(text)
    held = [block.frames for block in searched.frames_matrix()]
    searched.put([*searched.frames_matrix(), Block([f"w{row}#0" for row in range(20)], frames[40:])])
    engine = retriever._candidates.engine
    assert {video.video_id for video in retriever.rank(text, top_videos=3)[0]}
    assert len(engine) == 60
    assert held[0] is retriever._candidates._held[0]
    searched.put([Block([f"w{row}#0" for row in range(20)], frames[40:])])
    assert all(video.video_id.startswith("w") for video in retriever.rank(text, top_videos=3)[0])
    assert len(engine) == 20


@pytest.mark.parametrize("mean_weight", [0.0, 1.0])
def test_the_engine_finds_the_frames_nearest_to_a_text(monkeypatch: pytest.MonkeyPatch, mean_weight: float):
    text, frames = features(7, 500)
    frames[3] = 0
    monkeypatch.setattr("coarse_to_fine.coarse_grained.candidates.ROUNDED_AT_ONCE", 10_000)
    monkeypatch.setattr("coarse_to_fine.coarse_grained.candidates.MULTIPLIED_AT_ONCE", 10_000)
    cosines = (unit(text) @ unit(frames).flatten(0, 1).T).view(7, 500, -1)
    expected = (cosines.amax(dim=2) + mean_weight * cosines.mean(dim=2)).topk(30, dim=1).indices
    for kind in (torch.float32, torch.float16):
        engine = FrameCosines(mean_weight=mean_weight)
        engine.extend(frames[:200].to(kind))
        engine.extend(frames[200:].to(kind))
        assert len(engine) == 500
        for found, best in zip(engine.search(text, 30).tolist(), expected.tolist()):
            assert len(set(found) & set(best)) >= 29
        assert engine.search(text, 9999).shape == (7, 500)


def in_few_directions(segments: int, directions: int, noise: float) -> tuple[Tensor, Tensor]:
    """Texts and frames of width 64 that lie, but for noise, in a few directions."""
    generator = torch.Generator().manual_seed(1)
    basis = torch.randn(directions, 64, generator=generator)
    frames = torch.randn(segments, 6, directions, generator=generator) @ basis
    text = torch.randn(5, directions, generator=generator) @ basis
    return text, frames + noise * torch.randn(frames.shape, generator=generator)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_frames_in_few_directions_are_shortened_without_loss(kind):
    text, frames = in_few_directions(300, 16, 0.05)
    frames[5] = 0
    short, whole = FrameCosines(directions=20), FrameCosines(directions=0)
    for engine in (short, whole):
        engine.extend(frames[:200].to(kind))
        engine.extend(frames[200:].to(kind))
    assert short.shortened
    assert not whole.shortened
    assert len(short) == len(whole) == 300
    for ours, best in zip(short.search(text, 40).tolist(), whole.search(text, 40).tolist()):
        assert len(set(ours) & set(best)) >= 38
    short.clear()
    short.extend(torch.randn(50, 6, 64, generator=torch.Generator().manual_seed(2)))
    assert not short.shortened
    assert short.search(text, 9).shape == (5, 9)


def test_frames_in_all_directions_are_kept_as_they_are():
    _, frames = in_few_directions(100, 64, 0.0)
    assert main_directions(frames, 20, held=0.9) is None
    assert main_directions(frames, 40, held=0.0) is None
    basis = main_directions(in_few_directions(100, 10, 0.0)[1], 20, held=0.9)
    assert basis is not None
    torch.testing.assert_close(basis.T @ basis, torch.eye(20), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("texts", "videos"), [(4, 9), (0, 9), (4, 0)])
def test_scores_of_unprepared_segments_are_the_same(model, texts, videos):
    text, frames = features(texts, videos)
    frames[2:3] = 0
    torch.testing.assert_close(model.score_once(text, frames, 3), model.score(text, frames, 3), rtol=0, atol=1e-5)


def test_unchanged_blocks_are_given_to_the_engine_once():
    given = []

    class Recording(FrameCosines):
        def extend(self, frames: Tensor) -> None:
            given.append(len(frames))
            super().extend(frames)

    candidates = Candidates(Recording(), CandidateConfig())
    first, second = torch.randn(3, 2, 4), torch.randn(5, 2, 4)
    candidates.hold([first])
    candidates.hold([first, second])
    candidates.hold([first, second])
    assert given == [3, 5]
    candidates.hold([second])
    assert given == [3, 5, 5]
