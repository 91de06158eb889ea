"""What every fine model must do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coarse_to_fine.errors import DataError
from coarse_to_fine.fine_grained import FINE_MODELS, load_fine
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.model_folders import save_model
from coarse_to_fine.types import MomentOutput
from tests.fine_grained.conftest import segment, sentence, small_model

TOLERANCE = 1e-5


def assert_same(a: MomentOutput, b: MomentOutput) -> None:
    torch.testing.assert_close(a.saliency, b.saliency, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(a.scores, b.scores, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(by_start(a.windows_s), by_start(b.windows_s), rtol=TOLERANCE, atol=1e-3)


def by_start(windows_s: torch.Tensor) -> torch.Tensor:
    """Windows in an order that a difference of 1e-7 between equal scores does not change."""
    return torch.tensor(sorted(windows_s.tolist())).reshape(-1, 2)


def test_names_are_those_of_the_models() -> None:
    assert {name: model_class.name for name, model_class in FINE_MODELS.items()} == {name: name for name in FINE_MODELS}


@pytest.mark.parametrize("clips", [1, 2, 3, 31, 75, 180])
def test_any_length_gives_windows_inside_the_video(model: FineModel, clips: int) -> None:
    video = segment(clips, seed=clips, duration_s=2.0 * clips - 0.7)
    (output,) = model.locate([(model.video_cache(video), sentence(5))])
    assert output.saliency.shape == (clips,)
    assert output.windows_s.shape == (len(output.scores), 2)
    assert len(output.scores) > 0
    start, end = output.windows_s.unbind(1)
    assert bool((start >= 0).all() and (start < end).all() and (end <= video.duration_s + 1e-4).all())
    assert bool((output.scores >= 0).all() and (output.scores <= 1).all())
    assert output.scores.tolist() == sorted(output.scores.tolist(), reverse=True)


def test_batch_mates_and_padding_do_not_change_results(model: FineModel) -> None:
    pairs = [
        (model.video_cache(segment(clips, seed=clips)), sentence(tokens, seed=tokens))
        for clips, tokens in [(75, 3), (4, 9), (31, 14), (1, 6), (31, 2), (12, 7)]
    ]
    alone = [model.locate([pair])[0] for pair in pairs]
    for batch_size in (2, 8):
        for one, together in zip(alone, model.locate(pairs, batch_size), strict=True):
            assert_same(one, together)


def test_order_of_pairs_does_not_matter(model: FineModel) -> None:
    pairs = [(model.video_cache(segment(clips, seed=clips)), sentence(5, seed=clips)) for clips in (9, 3, 20, 9)]
    forward, backward = model.locate(pairs, 3), model.locate(pairs[::-1], 3)
    for one, other in zip(forward, backward[::-1], strict=True):
        assert_same(one, other)


def test_one_sentence_on_many_videos_equals_one_by_one(model: FineModel) -> None:
    text = sentence(6)
    caches = [model.video_cache(segment(clips, seed=clips)) for clips in (8, 8, 5)]
    for cache, output in zip(caches, model.locate([(cache, text) for cache in caches]), strict=True):
        assert_same(output, model.locate([(cache, text)])[0])


def test_no_pairs_give_no_outputs(model: FineModel) -> None:
    assert model.locate([]) == []


def test_locate_leaves_the_mode_and_needs_no_gradient(model: FineModel) -> None:
    model.train()
    (output,) = model.locate([(model.video_cache(segment(5)), sentence(4))])
    assert model.training
    assert not output.scores.requires_grad
    again = model.locate([(model.video_cache(segment(5)), sentence(4))])[0]
    assert_same(output, again)  # dropout is off although the model is in training mode


def test_features_of_another_width_are_refused(model: FineModel) -> None:
    video, text = segment(5), sentence(4)
    wide = type(video)(*[getattr(video, name) for name in video.__slots__][:6], torch.zeros(5, 99))
    with pytest.raises(DataError, match="99"):
        model.locate([(model.video_cache(wide), text)])


@pytest.mark.parametrize("half", [False, True])
def test_saving_and_loading_keeps_the_outputs(model: FineModel, tmp_path: Path, half: bool) -> None:
    save_model(model, tmp_path / "stored", half=half)
    loaded = load_fine(tmp_path / "stored")
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    assert not loaded.training
    pair = (segment(14), sentence(5))
    first, second = (each.locate([(each.video_cache(pair[0]), pair[1])])[0] for each in (model, loaded))
    if half:
        torch.testing.assert_close(first.saliency, second.saliency, rtol=0.02, atol=0.02)
    else:
        assert_same(first, second)


def test_config_survives_json(model: FineModel) -> None:
    config = model.config
    assert type(config).model_validate_json(config.model_dump_json()) == config


def test_same_seed_gives_the_same_model() -> None:
    for name in FINE_MODELS:
        first, second = small_model(name, seed=3).state_dict(), small_model(name, seed=3).state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
