"""MESM: the cached path, what the summary depends on, the masks, long videos."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from coarse_to_fine.errors import DataError
from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.features import clip_rows
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.mesm.model import MesmOutput
from coarse_to_fine.fine_grained.mesm.sampling import clip_edges, sample_clips, stretch_of_clip
from coarse_to_fine.fine_grained.mesm.text import word_rows
from coarse_to_fine.fine_grained.postprocess import moment_output
from coarse_to_fine.types import SegmentFeatures, TextFeatures
from tests.fine_grained.conftest import SMALL, segment, sentence
from tests.fine_grained.test_contract import assert_same

LENGTHS = [(75, 14), (31, 5), (180, 9), (4, 2), (31, 14), (1, 6)]


def small_mesm(**fields: Any) -> Mesm:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Mesm(MesmConfig.model_validate({**SMALL["mesm"], **fields})).eval()


def plain(model: Mesm, pairs: list[tuple[SegmentFeatures, TextFeatures]]) -> MesmOutput:
    video, video_mask = pad_rows([clip_rows(video.clips, model.config) for video, _ in pairs])
    text, text_mask = pad_rows([word_rows(text.tokens, model.config) for _, text in pairs])
    with torch.inference_mode():
        return model(video, video_mask, text, text_mask)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"summary_layers": 0},
        {"enhancement_layers": 0},
        {"enhancement_layers": 0, "summary_layers": 0},
        {"share_feed_forward": False, "word_classes": 9},
        {"encoder_layers": 0, "decoder_layers": 3},
        {"max_words": 6},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_cached_path_equals_the_plain_one(fields: dict[str, Any], batch_size: int) -> None:
    model = small_mesm(**fields)
    pairs = [(segment(clips, seed=clips), sentence(words, seed=words)) for clips, words in LENGTHS]
    output = plain(model, pairs)
    cached = model.locate([(model.video_cache(video), text) for video, text in pairs], batch_size)
    for row, ((video, _), found) in enumerate(zip(pairs, cached, strict=True)):
        saliency = output.saliency[row, : len(video.clips)]
        assert_same(found, moment_output(output.logits[-1, row], output.spans[-1, row], saliency, video.duration_s))


def test_summary_depends_on_the_video_alone_and_reaches_the_result() -> None:
    model = small_mesm()
    with torch.no_grad():
        model.ss_reconstructor.masked_sent_token.normal_(generator=torch.Generator().manual_seed(0))
    caches = [model.video_cache(segment(12, seed=seed)) for seed in (1, 1, 2)]
    keys = [cache.summary[0][0] for cache in caches]
    assert torch.equal(keys[0], keys[1])
    assert not torch.allclose(keys[0], keys[2])
    own, text = caches[0], sentence(5)
    mixed = type(own)(own.clips, own.query, caches[2].summary, own.stored_clips, own.duration_s)
    first, second = model.locate([(own, text), (mixed, text)])
    assert not torch.allclose(first.saliency, second.saliency, atol=1e-4)


def test_global_token_is_read_by_nothing() -> None:
    model = small_mesm()
    pair = [(segment(9), sentence(4))]
    before = plain(model, pair)
    with torch.no_grad():
        model.global_rep_token.add_(3.0)
    after = plain(model, pair)
    assert torch.equal(before.spans, after.spans)
    assert not torch.allclose(before.saliency, after.saliency)


def test_official_mask_depends_on_batch_mates_and_the_default_does_not() -> None:
    pairs = [(segment(clips, seed=clips), sentence(words, seed=words)) for clips, words in [(20, 9), (5, 3), (11, 6)]]
    for official in (False, True):
        model = small_mesm(official_mask=official)
        together, alone = plain(model, pairs), plain(model, pairs[:1])
        difference = float((together.saliency[0] - alone.saliency[0]).abs().max())
        assert (difference > 1e-4) == official


def test_locate_ignores_the_official_mask() -> None:
    pairs = [(segment(clips, seed=clips), sentence(words, seed=words)) for clips, words in [(20, 9), (5, 3), (11, 6)]]
    correct, official = small_mesm(), small_mesm(official_mask=True)
    found = [model.locate([(model.video_cache(video), text) for video, text in pairs]) for model in (correct, official)]
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


def test_long_videos_are_averaged_and_their_saliency_covers_every_clip() -> None:
    model = small_mesm(max_clips=8)
    video, text = segment(23, seed=5), sentence(4)
    (output,) = model.locate([(model.video_cache(video), text)])
    assert output.saliency.shape == (23,)
    assert len(set(output.saliency.tolist())) == 8
    assert output.windows_s.max() <= 46
    short = segment(6, seed=5)
    assert_same(*(each.locate([(each.video_cache(short), text)])[0] for each in (model, small_mesm())))


@pytest.mark.parametrize(("clips", "limit"), [(23, 8), (9, 8), (8, 8), (5, 8), (600, 194), (1, 1)])
def test_every_clip_lies_in_the_stretch_that_averages_it(clips: int, limit: int) -> None:
    rows = torch.arange(clips, dtype=torch.float32)[:, None]
    sampled, stretch = sample_clips(rows, limit), stretch_of_clip(clips, limit)
    assert sampled.shape == (min(clips, limit), 1)
    assert stretch.tolist() == sorted(stretch.tolist())
    assert int(stretch[0]) == 0
    assert int(stretch[-1]) == len(sampled) - 1
    if clips > limit:
        edges = clip_edges(clips, limit)
        members = [rows[:, 0][stretch == number] for number in range(limit)]
        last = members[-1][members[-1] < max(int(edges[-1]), int(edges[-2]) + 1)]  # the last row is left out
        means = torch.stack([*(member.mean() for member in members[:-1]), last.mean()])
        torch.testing.assert_close(sampled[:, 0], means)


def test_blocks_are_unit_rows() -> None:
    config = MesmConfig(video_feature_dims=(3, 2), feature_names=("clip", "slowfast"))
    joined = torch.cat([torch.randn(6, 3), 5 * torch.randn(6, 2)], dim=1)
    rows = clip_rows(joined, config)
    assert rows.shape == (6, 7)
    torch.testing.assert_close(rows[:, :3].norm(dim=1), torch.ones(6))
    torch.testing.assert_close(rows[:, 3:5].norm(dim=1), torch.ones(6))
    torch.testing.assert_close(rows[:, 5:], torch.stack([torch.arange(6) / 6, torch.arange(1, 7) / 6], 1))
    with pytest.raises(DataError, match=r"clip 3 \+ slowfast 2"):
        clip_rows(joined[:, :4], config)
    with pytest.raises(DataError, match="without clips"):
        clip_rows(joined[:0], config)


def test_words_are_unit_rows_cut_to_the_limit() -> None:
    config = MesmConfig(text_feature_dim=4, max_words=3)
    rows = word_rows(torch.randn(5, 4), config)
    assert rows.shape == (3, 4)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    assert word_rows(torch.zeros(2, 4), config).abs().max() == 0  # a word without a direction stays finite
    with pytest.raises(DataError, match="5 channels"):
        word_rows(torch.randn(2, 5), config)
    with pytest.raises(DataError, match="without words"):
        word_rows(torch.randn(0, 4), config)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"heads": 5}, "heads"),
        ({"word_classes": 9, "enhancement_layers": 0}, "word_classes"),
        ({"layers": 2}, "layers"),
    ],
)
def test_wrong_architectures_are_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        MesmConfig.model_validate(fields)
