"""The training-free baseline finds what stands out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.similarity.curve import all_windows, cosine_curve, explained_share, smooth
from coarse_to_fine.types import MomentOutput, SegmentFeatures, TextFeatures
from tests.fine_grained.learnable import examples

DIM = 16


def locate(curve: list[float], duration_s: float | None = None) -> MomentOutput:
    """The outputs on a video whose clips have these cosines with the sentence."""
    cosine = torch.tensor(curve)
    rows = torch.zeros(len(curve), DIM)
    rows[:, 0], rows[:, 1] = cosine, (1 - cosine.square()).sqrt()
    text = torch.zeros(DIM)
    text[0] = 3.0
    video = SegmentFeatures("v#0", "v", 0.0, duration_s or 2.0 * len(curve), 2.0, rows[:1], 5 * rows)
    model = load_fine("similarity")
    return model.locate([(model.video_cache(video), TextFeatures("x", text, torch.zeros(3, 4)))])[0]


def test_a_plateau_is_found_with_its_borders() -> None:
    output = locate([0.1] * 10 + [0.4] * 6 + [0.1] * 14)
    assert output.windows_s[0].tolist() == [20.0, 32.0]
    assert output.scores[0] > 0.8


def test_two_plateaus_come_before_anything_else() -> None:
    output = locate([0.1] * 8 + [0.4] * 5 + [0.1] * 9 + [0.35] * 5 + [0.1] * 8)
    windows = [tuple(window) for window in output.windows_s.tolist()]
    assert windows.index((16.0, 26.0)) < 3
    assert any(abs(start - 44) <= 4 and abs(end - 54) <= 4 for start, end in windows[:4])


def test_a_flat_curve_gives_the_whole_segment_only() -> None:
    output = locate([0.25] * 12)
    assert output.windows_s.tolist() == [[0.0, 24.0]]
    assert output.scores.tolist() == [0.0]


def test_the_last_clip_may_be_cut() -> None:
    output = locate([0.1] * 8 + [0.5] * 4, duration_s=22.7)
    assert output.windows_s[0].tolist() == pytest.approx([16.0, 22.7])


def test_it_beats_chance_where_there_is_a_signal() -> None:
    model = load_fine("similarity")
    held_out = examples(40, 5)
    from coarse_to_fine.fine_grained.validation import moment_metrics

    assert moment_metrics(model, held_out)["R1@0.5"] > 60


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 20), st.integers(0, 10**6))
def test_the_share_is_that_of_the_best_step_function(clips: int, seed: int) -> None:
    curve = torch.randn(clips, generator=torch.Generator().manual_seed(seed))
    windows = all_windows(clips)
    share = explained_share(curve, windows)
    assert len(windows) == clips * (clips + 1) // 2 - 1
    for (first, end), value in zip(windows.tolist(), share.tolist(), strict=True):
        inside = torch.zeros(clips, dtype=torch.bool)
        inside[first:end] = True
        step = torch.where(inside, curve[inside].mean(), curve[~inside].mean())
        explained = 1 - (curve - step).square().sum() / (curve - curve.mean()).square().sum()
        down = curve[inside].mean() <= curve[~inside].mean()
        assert value == pytest.approx(0.0 if down else float(explained), abs=1e-4)


def test_smoothing_keeps_constants_and_length() -> None:
    assert torch.allclose(smooth(torch.full((7,), 0.3), 3), torch.full((7,), 0.3))
    assert smooth(torch.randn(1), 3).shape == (1,)
    assert torch.equal(smooth(torch.tensor([1.0, 5.0, 2.0]), 1), torch.tensor([1.0, 5.0, 2.0]))


def test_cosine_of_a_zero_clip_is_zero() -> None:
    assert cosine_curve(torch.zeros(2, 4), torch.ones(4)).tolist() == [0.0, 0.0]
