"""QD-DETR's own behaviour: the cached path, masks, features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.fine_grained.inputs import pad_rows, unit_rows
from coarse_to_fine.fine_grained.postprocess import moment_output
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.features import clip_rows, word_rows
from coarse_to_fine.types import MomentOutput
from tests.fine_grained.conftest import VIDEO_DIM, segment, sentence

LENGTHS = [(75, 3), (4, 9), (31, 14), (1, 6), (31, 2), (12, 7)]


def plain(model: Any, mates: list[tuple[int, int]]) -> list[MomentOutput]:
    """Everything through `forward` in one padded batch, nothing cached."""
    videos = [segment(clips, seed=clips) for clips, _ in mates]
    video, video_mask = pad_rows([clip_rows(each.clips, model.config) for each in videos])
    text, text_mask = pad_rows([word_rows(sentence(tokens, seed=tokens).tokens, model.config) for _, tokens in mates])
    with torch.no_grad():
        output = model(video, video_mask, text, text_mask)
    return [
        moment_output(output.logits[-1, i], output.spans[-1, i], output.saliency[i, : mates[i][0]], each.duration_s)
        for i, each in enumerate(videos)
    ]


@pytest.mark.parametrize("fields", [{}, {"text_positions": True}, {"decoder_layers": 3}, {"clamp_width": True}])
def test_cached_path_equals_plain_forward(qd_detr: Callable[..., Any], fields: dict[str, Any]) -> None:
    model = qd_detr(**fields)
    pairs = [
        (model.video_cache(segment(clips, seed=clips)), sentence(tokens, seed=tokens)) for clips, tokens in LENGTHS
    ]
    for cached, expected in zip(model.locate(pairs, 4), plain(model, LENGTHS), strict=True):
        torch.testing.assert_close(cached.saliency, expected.saliency, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(cached.scores, expected.scores, rtol=1e-5, atol=1e-5)
        windows = [torch.tensor(sorted(output.windows_s.tolist())) for output in (cached, expected)]
        torch.testing.assert_close(*windows, rtol=1e-5, atol=2e-3)  # 1e-5 of 150 s


def test_official_mask_depends_on_batch_mates_and_the_default_does_not(qd_detr: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    correct = qd_detr()
    official = qd_detr(mask="official")
    official.load_state_dict(correct.state_dict())
    alone, together = plain(correct, LENGTHS[2:3])[0], plain(correct, LENGTHS)[2]
    torch.testing.assert_close(alone.saliency, together.saliency, rtol=1e-5, atol=1e-5)
    alone, together = plain(official, LENGTHS[2:3])[0], plain(official, LENGTHS)[2]
    assert (alone.saliency - together.saliency).abs().max() > 1e-4
    torch.testing.assert_close(alone.saliency, plain(correct, LENGTHS[2:3])[0].saliency)


def test_locate_gives_pairs_alone_even_under_the_official_mask(qd_detr: Callable[..., Any]) -> None:
    model = qd_detr(mask="official")
    pairs = [(model.video_cache(segment(clips, seed=clips)), sentence(tokens)) for clips, tokens in LENGTHS]
    for (cache, text), output in zip(pairs, model.locate(pairs), strict=True):
        torch.testing.assert_close(output.saliency, model.locate([(cache, text)])[0].saliency, rtol=1e-5, atol=1e-5)


def test_every_parameter_but_the_text_positions_gets_a_gradient(qd_detr: Callable[..., Any]) -> None:
    model = qd_detr().train()
    output = model(
        torch.randn(2, 5, VIDEO_DIM + 2), torch.ones(2, 5, dtype=torch.bool), torch.randn(2, 4, 20),
        torch.ones(2, 4, dtype=torch.bool),
    )  # fmt: skip
    (output.logits.square().sum() + output.spans.square().sum() + output.saliency.square().sum()).backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {name for name, _ in model.named_parameters() if name.startswith("txt_position_embed.")}


def test_clip_rows_normalise_each_block_and_append_the_time() -> None:
    config = QdDetrConfig(
        video_feature_dims=(3, 4), audio_feature_dim=2, audio_endpoints=True, hidden_dim=32, feature_names=()
    )
    clips = torch.randn(5, 9)
    rows = clip_rows(clips, config)
    time = torch.stack([torch.arange(5) / 5, torch.arange(5) / 5 + 0.2], dim=1)
    expected = [unit_rows(clips[:, :3]), unit_rows(clips[:, 3:7]), time, unit_rows(clips[:, 7:]), time]
    torch.testing.assert_close(rows, torch.cat(expected, dim=1))
    assert rows.shape[1] == config.video_input_dim + config.audio_input_dim


def test_raw_features_are_left_as_they_are() -> None:
    config = QdDetrConfig(video_feature_dims=(3,), features="raw")
    clips = 10 * torch.randn(4, 3)
    assert torch.equal(clip_rows(clips, config)[:, :3], clips)


def test_scale_of_the_features_does_not_matter_by_default(qd_detr: Callable[..., Any]) -> None:
    model = qd_detr()
    video = segment(9)
    scaled = type(video)("v#0", "v", 0.0, 18.0, 2.0, video.frames, 10 * video.clips)
    outputs = [model.locate([(model.video_cache(each), sentence(4))])[0] for each in (video, scaled)]
    torch.testing.assert_close(outputs[0].saliency, outputs[1].saliency, rtol=1e-3, atol=1e-4)


def test_words_beyond_the_limit_are_not_read() -> None:
    config = QdDetrConfig(text_feature_dim=6, max_words=3)
    tokens = torch.randn(5, 6)
    torch.testing.assert_close(word_rows(tokens, config), unit_rows(tokens[:3]))


def test_empty_inputs_are_refused() -> None:
    config = QdDetrConfig(video_feature_dims=(3,), text_feature_dim=6)
    with pytest.raises(DataError, match="without clips"):
        clip_rows(torch.zeros(0, 3), config)
    with pytest.raises(DataError, match="without words"):
        word_rows(torch.zeros(0, 6), config)


def test_a_wrong_width_names_the_features_that_are_wanted() -> None:
    config = QdDetrConfig(video_feature_dims=(2304, 512), feature_names=("slowfast", "clip"))
    with pytest.raises(DataError, match=r"512 channels.*2816 \(slowfast 2304 \+ clip 512\)"):
        clip_rows(torch.zeros(3, 512), config)


@pytest.mark.parametrize("fields", [{"heads": 7}, {"audio_endpoints": True}, {"hiden_dim": 3}, {"mask": "both"}])
def test_impossible_architectures_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        QdDetrConfig(**fields)


@pytest.mark.parametrize("hidden_dim", [12, 30, 128])
def test_any_even_width_works(qd_detr: Callable[..., Any], hidden_dim: int) -> None:
    model = qd_detr(hidden_dim=hidden_dim, heads=2)
    (output,) = model.locate([(model.video_cache(segment(5)), sentence(4))])
    assert bool(torch.isfinite(output.saliency).all())
