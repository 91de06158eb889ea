"""What every listed coarse model must do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coarse_to_fine.coarse_grained import COARSE_MODELS, load_coarse
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.video_retrieval import text_to_video
from coarse_to_fine.model_folders import save_model
from tests.coarse_grained.models import FRAMES, WIDTH, features, small_model

CLOSE = {"rtol": 0, "atol": 1e-5}
VARIANTS = {
    "t-mass": [{}, {"prior": "normal"}, {"num_heads": 4}, {"trials": 1}],
    "t-mass-v2": [{"align_layers": 1}, {"num_heads": 4, "frame_positions": True, "trials": 1}],
}
CASES = [(name, fields) for name in COARSE_MODELS for fields in VARIANTS.get(name, [{}])]


@pytest.fixture(
    params=CASES, ids=[f"{name}-{'-'.join(map(str, fields.values())) or 'default'}" for name, fields in CASES]
)
def model(request):
    name, fields = request.param
    return small_model(name, **fields)


def test_names_are_those_of_the_dict():
    assert {name: model_class.name for name, model_class in COARSE_MODELS.items()} == {
        name: name for name in COARSE_MODELS
    }


@pytest.mark.parametrize(("texts", "videos"), [(7, 11), (1, 1), (1, 40), (30, 2), (12, 45), (0, 3), (3, 0), (12, 0)])
def test_cached_scores_equal_the_plain_path_for_any_number_of_texts_and_videos(model, texts, videos):
    text, frames = features(texts, videos)
    plain = model.score(text, frames, seed=3)
    assert plain.shape == (texts, videos)
    assert plain.dtype == torch.float32
    torch.testing.assert_close(model.score_cached(text, model.video_cache(frames), seed=3), plain, **CLOSE)


def test_scores_are_cosines(model):
    scores = model.score(*features(7, 11))
    assert bool((scores.abs() <= 1 + 1e-6).all())


def test_a_pair_does_not_depend_on_the_pairs_beside_it(model):
    text, frames = features(7, 11)
    whole = model.score_cached(text, model.video_cache(frames))
    for row, column in [(0, 0), (6, 10), (3, 5)]:
        alone = model.score_cached(text[row : row + 1], model.video_cache(frames[column : column + 1]))
        torch.testing.assert_close(alone[0, 0], whole[row, column], **CLOSE)


def test_other_order_of_the_gallery_gives_the_same_scores_in_that_order(model):
    text, frames = features(7, 11)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    scores = model.score_cached(text, model.video_cache(frames))
    moved = model.score_cached(text, model.video_cache(frames[order]))
    torch.testing.assert_close(moved, scores[:, order], **CLOSE)


def test_caches_are_joined_by_concatenation(model):
    text, frames = features(3, 10)
    first, second = model.video_cache(frames[:4]), model.video_cache(frames[4:])
    joined = {name: torch.cat([first[name], second[name]]) for name in first}
    assert all(len(value) == 10 for value in joined.values())
    torch.testing.assert_close(
        model.score_cached(text, joined), model.score_cached(text, model.video_cache(frames)), **CLOSE
    )


def test_a_gallery_in_blocks_has_the_scores_of_one_cache(model):
    for texts in (1, 5):
        text, frames = features(texts, 10)
        caches = [model.video_cache(part) for part in frames.split([1, 6, 3])]
        together = model.score_cached(text, model.video_cache(frames))
        torch.testing.assert_close(model.score_blocks(text, iter(caches)), together, **CLOSE)


def test_one_seed_gives_equal_bits_and_leaves_the_global_generator_alone(model):
    text, frames = features(4, 6)
    state = torch.get_rng_state()
    first, again = model.score(text, frames, seed=5), model.score(text, frames, seed=5)
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)


def test_training_mode_does_not_change_scores(model):
    text, frames = features(4, 6)
    expected = model.score(text, frames)
    assert torch.equal(model.train().score(text, frames), expected)


def test_scores_do_not_track_gradients(model):
    text, frames = features(2, 3)
    assert not model.score(text.requires_grad_(), frames).requires_grad
    assert not model.score_cached(text, model.video_cache(frames)).requires_grad


@pytest.mark.parametrize("half", [False, True])
def test_save_and_load_round_trip(model, tmp_path: Path, half: bool):
    text, frames = features(5, 6)
    save_model(model, tmp_path / "model", half=half, origin={"encoder": "random"})
    loaded = load_coarse(tmp_path / "model")
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    tolerance = 2e-3 if half else 0.0
    torch.testing.assert_close(loaded.score(text, frames), model.score(text, frames), rtol=0, atol=tolerance)
    assert type(load_coarse(model.name, weights=tmp_path / "model")) is type(model)


def test_half_precision_frames_give_the_same_scores_on_both_paths(model):
    text, frames = features(5, 6)
    frames = frames.half()
    plain = model.score(text, frames)
    torch.testing.assert_close(model.score_cached(text, model.video_cache(frames)), plain, **CLOSE)
    compact = model.compact(model.video_cache(frames))
    torch.testing.assert_close(model.score_cached(text, compact), plain, rtol=0, atol=1e-3)


def test_a_black_frame_without_features_gives_finite_equal_scores(model):
    text, frames = features(3, 4)
    frames[1, :3] = 0
    frames[2] = 0
    plain = model.score(text, frames)
    assert bool(torch.isfinite(plain).all())
    torch.testing.assert_close(model.score_cached(text, model.video_cache(frames)), plain, **CLOSE)


@pytest.mark.parametrize("seed", range(3))
def test_independent_random_features_rank_at_chance(model, seed):
    """The true video of text i is video i; nothing links them, so recall is chance up to its sampling error."""
    videos = 200
    text, frames = features(videos, videos, seed=seed)
    metrics = text_to_video(model.score(text, frames, seed), torch.arange(videos))
    assert metrics.recall[10] < 5 + 4 * 100 * (0.05 * 0.95 / videos) ** 0.5
    assert 80 < metrics.mean_rank < 121


def test_scores_cannot_see_which_caption_belongs_to_which_video(model):
    """Shuffled captions are the same rows in another order, so nothing but that order may change."""
    text, frames = features(11, 11)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model.score(text[order], frames), model.score(text, frames)[order], **CLOSE)


def test_texts_of_another_width_are_refused(model):
    _, frames = features(1, 2)
    with pytest.raises(DataError, match="text embeddings have shape"):
        model.score_cached(torch.randn(2, WIDTH + 1), model.video_cache(frames))


def test_frames_that_are_no_three_axes_are_refused(model):
    with pytest.raises(DataError, match="frame embeddings have shape"):
        model.video_cache(torch.randn(FRAMES, WIDTH))
