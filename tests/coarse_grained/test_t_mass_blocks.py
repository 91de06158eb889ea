"""The size of a block bounds memory and changes neither scores nor ranks."""

from __future__ import annotations

import resource
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from coarse_to_fine.coarse_grained.ranking import stable_top
from coarse_to_fine.coarse_grained.t_mass import cached, cached_scores, exponential, model, unprepared
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.evaluation_scores import evaluation_scores
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.evaluation.video_retrieval import text_to_video
from tests.coarse_grained.models import WIDTH, features, small_model

TEXTS, VIDEOS = 5, 60


@pytest.mark.parametrize("many_texts", [1, 2, 3, 4])
@pytest.mark.parametrize("videos_a_block", [1, 7, 4096])
def test_blocks_of_any_size_give_the_same_scores_and_ranks(
    monkeypatch: pytest.MonkeyPatch, videos_a_block: int, many_texts: int
):
    head = small_model("t-mass")
    assert isinstance(head, TMass)
    text, frames = features(TEXTS, VIDEOS)
    cache = head.video_cache(frames)
    plain, expected, once = head.score(text, frames), head.score_cached(text, cache), head.score_once(text, frames)
    monkeypatch.setattr(cached_scores, "BLOCK_FLOATS", videos_a_block * TEXTS * WIDTH)
    monkeypatch.setattr(cached_scores, "VIDEOS_AT_ONCE", videos_a_block)
    monkeypatch.setattr(cached_scores, "WIDENED_FLOATS", videos_a_block * 12 * WIDTH)
    monkeypatch.setattr(cached_scores, "PAIR_FLOATS", videos_a_block * TEXTS * WIDTH)
    monkeypatch.setattr(cached_scores, "MANY_TEXTS", many_texts)
    monkeypatch.setattr(cached, "INDEX_BLOCK", videos_a_block)
    monkeypatch.setattr(unprepared, "FRAME_FLOATS", max(1, videos_a_block // 2) * 12 * WIDTH)
    monkeypatch.setattr(unprepared, "BLOCK_FLOATS", videos_a_block * WIDTH)
    monkeypatch.setattr(cached_scores, "TEXTS_AT_ONCE", 3)
    monkeypatch.setattr(model, "PLAIN_BLOCK_FLOATS", videos_a_block * TEXTS * WIDTH)
    found = head.score_cached(text, head.video_cache(frames))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(head.score_once(text, frames), once, rtol=0, atol=1e-6)
    torch.testing.assert_close(head.score(text, frames), plain, rtol=0, atol=1e-6)
    assert torch.equal(stable_top(found, 20).indices, stable_top(expected, 20).indices)


@pytest.mark.parametrize("texts", [1, 3, 2 * cached_scores.MANY_TEXTS])
def test_galleries_on_several_threads_get_the_scores_of_the_plain_path(two_threads: None, texts: int):
    head = small_model("t-mass")
    text, frames = features(texts, cached_scores.SHARED_PAIRS + 1)
    plain = head.score(text, frames)
    for _ in range(2):  # the first time on one thread
        torch.testing.assert_close(head.score_cached(text, head.video_cache(frames)), plain, rtol=0, atol=1e-5)
        torch.testing.assert_close(head.score_once(text, frames), plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("texts", [1, 2 * cached_scores.MANY_TEXTS])
@pytest.mark.parametrize("kind", [list, iter])
def test_caches_of_any_lengths_give_the_scores_of_the_plain_path(two_threads: None, texts: int, kind: type):
    head = small_model("t-mass")
    assert isinstance(head, TMass)
    text, frames = features(texts, 3 * cached_scores.SHARED_PAIRS)
    plain = head.score(text, frames)
    for lengths in ([1, len(frames) - 1], [100, 0, 3, 200, len(frames) - 303], [len(frames)]):
        caches = [head.video_cache(own) for own in frames.split(lengths)]
        torch.testing.assert_close(head.score_blocks(text, kind(caches)), plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("texts", [1, 3, 2 * cached_scores.MANY_TEXTS])
@pytest.mark.parametrize("videos", [5, cached_scores.SHARED_PAIRS + 1])
def test_a_search_in_inference_mode_and_one_outside_follow_each_other(two_threads: None, texts: int, videos: int):
    head = small_model("t-mass")
    text, frames = features(texts, videos)
    plain, cache = head.score(text, frames), head.video_cache(frames)

    def in_both_modes() -> list[torch.Tensor]:
        found = []
        for inference in (True, False, True):
            with torch.inference_mode(inference):
                found += [head.score_cached(text, cache), head.score_once(text, frames)]
        return found

    with ThreadPoolExecutor(1) as new_thread:  # what is kept from search to search is kept by thread
        for scores in new_thread.submit(in_both_modes).result():
            torch.testing.assert_close(scores, plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("texts", [1, 2 * cached_scores.MANY_TEXTS])
def test_scores_can_be_changed_and_trained_on(texts: int):
    head = small_model("t-mass")
    text, frames = features(texts, 5)
    scores = [head.score_cached(text, head.video_cache(frames)), head.score_once(text, frames)]
    head.noise_bank(1)
    for each in scores:
        weight = torch.ones(5, requires_grad=True)
        each.mul_(2)
        (each * weight).sum().backward()
        torch.testing.assert_close(weight.grad, each.sum(dim=0))


@pytest.mark.parametrize("texts", [1, 2 * cached_scores.MANY_TEXTS])
@pytest.mark.parametrize("power", [exponential.OF_E, exponential.OF_2])
def test_powers_of_either_base_give_the_scores_of_the_plain_path(
    monkeypatch: pytest.MonkeyPatch, power: exponential.Exponential, texts: int
):
    monkeypatch.setattr(cached, "faster_exponential", lambda: power)
    head = small_model("t-mass")
    text, frames = features(texts, 5)
    plain = head.score(text, frames)
    torch.testing.assert_close(head.score_cached(text, head.video_cache(frames)), plain, rtol=0, atol=1e-5)
    torch.testing.assert_close(head.score_once(text, frames), plain, rtol=0, atol=1e-5)


def test_the_faster_exponential_is_one_of_the_two_and_stays():
    exponential.faster_exponential.cache_clear()
    found = exponential.faster_exponential()
    assert found in (exponential.OF_E, exponential.OF_2)
    assert exponential.faster_exponential() is found
    powers = torch.tensor([-1.0, 0.0, 2.0])
    torch.testing.assert_close(found.in_place(powers * found.scale), powers.exp())


@pytest.mark.parametrize("change", ["in place", "loaded", "replaced", "layer replaced"])
def test_scores_follow_the_weights_after_a_search(change: str):
    head, other = small_model("t-mass"), small_model("t-mass", seed=1)
    text, frames = features(2, 5)
    head.score_cached(text, head.video_cache(frames))
    if change == "in place":
        with torch.no_grad():
            for weight, new in zip(head.parameters(), other.parameters()):
                weight.copy_(new)
    elif change == "layer replaced":
        for name, layer in other.named_children():
            setattr(head, name, layer)
        head.logit_scale = other.logit_scale
    else:
        head.load_state_dict(other.state_dict(), assign=change == "replaced")
    torch.testing.assert_close(head.score_cached(text, head.video_cache(frames)), other.score(text, frames))


def test_noise_is_that_of_its_seed_whichever_was_drawn_before():
    head, other = small_model("t-mass"), small_model("t-mass", seed=1)
    first = head.noise_bank(3).clone()
    assert not torch.equal(head.noise_bank(4), first)
    assert torch.equal(head.noise_bank(3), first)
    assert torch.equal(other.noise_bank(3), first)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("videos_a_block", [1, 7])
def test_the_leaking_score_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch, videos_a_block: int):
    head = small_model("t-mass")
    assert isinstance(head, TMass)
    text, frames = features(8, 5)
    owner = torch.tensor([0, 1, 2, 3, 4, 0, 2, 2])
    expected = evaluation_scores(head, text, frames, owner, score="official")
    monkeypatch.setattr(
        "coarse_to_fine.coarse_grained.t_mass.evaluation_scores.PLAIN_BLOCK_FLOATS", videos_a_block * text.numel()
    )
    found = evaluation_scores(head, text, frames, owner, score="official")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6, equal_nan=True)
    lacks = torch.tensor([[False] * 5] * 5 + [[False, True, False, True, True]] * 2 + [[True, True, False, True, True]])
    assert torch.equal(torch.isnan(found), lacks)


def test_the_leaking_score_ranks_independent_noise_far_above_chance_and_the_default_does_not():
    """The evidence against the release's score: texts and frames that have nothing to do with each other."""
    head = TMass(TMassConfig(embed_dim=64, prior="normal", prior_std=3e-3, trials=5)).eval()
    generator = torch.Generator().manual_seed(0)
    text, frames = torch.randn(150, 64, generator=generator), torch.randn(150, 12, 64, generator=generator)
    owner = torch.arange(150)
    leaking = text_to_video(evaluation_scores(head, text, frames, owner, score="official"), owner)
    honest = text_to_video(evaluation_scores(head, text, frames), owner)
    assert leaking.recall[10] > 3 * leaking.chance()["R@10"]
    assert leaking.median_rank < 50
    assert honest.recall[10] < 3 * honest.chance()["R@10"]
    assert honest.median_rank > 50


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is for POSIX systems")
def test_a_large_gallery_needs_little_memory_beside_its_cache():
    head = small_model("t-mass")
    text, frames = features(50, 50_000)
    cache = head.video_cache(frames)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scores = head.score_cached(text, cache)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert scores.shape == (50, 50_000)
    assert grown < (scores.nbytes + (100 << 20)) / (1024 if sys.platform != "darwin" else 1)
