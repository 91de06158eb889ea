"""Moments of overlapping segments in the time of the video."""

from __future__ import annotations

import torch

from coarse_to_fine.fine_grained.merge import merge_moments, stitch_saliency
from coarse_to_fine.types import MomentOutput
from tests.fine_grained.conftest import segment


def output(windows: list[tuple[float, float, float]], clips: int = 75) -> MomentOutput:
    rows = torch.tensor(windows, dtype=torch.float32).reshape(-1, 3)
    return MomentOutput(rows[:, :2], rows[:, 2], torch.arange(clips, dtype=torch.float32))


FIRST, SECOND = segment(75), segment(75, seed=1, start_s=120.0)


def merged(*windows: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    moments = merge_moments([FIRST, SECOND], [output(own) for own in windows], duration_s=270.0)
    return [(moment.start_s, moment.end_s, round(moment.score, 4)) for moment in moments]


def test_windows_are_moved_to_the_time_of_the_video() -> None:
    assert merged([], [(10, 20, 0.5)]) == [(130.0, 140.0, 0.5)]


def test_a_moment_in_the_overlap_is_found_once() -> None:
    assert merged([(124, 134, 0.9)], [(4, 14, 0.8)]) == [(124.0, 134.0, 0.9)]


def test_a_cut_moment_gives_way_to_the_whole_one_and_leaves_its_score() -> None:
    assert merged([(140, 150, 0.9)], [(20, 44, 0.6)]) == [(140.0, 164.0, 0.9)]


def test_two_halves_of_a_long_moment_are_joined() -> None:
    assert merged([(90, 150, 0.9)], [(0, 60, 0.7)])[0] == (90.0, 180.0, 0.9)


def test_a_whole_segment_does_not_inherit_the_score_of_a_cut_moment() -> None:
    found = merged([(140, 150, 0.9)], [(0, 150, 0.0)])
    assert found[0] == (140.0, 150.0, 0.9)
    assert found[1][2] == 0.0


def test_a_moment_at_the_end_of_the_video_is_not_cut() -> None:
    assert merged([], [(140, 150, 0.9), (120, 150, 0.8)]) == [(260.0, 270.0, 0.9), (240.0, 270.0, 0.8)]


def test_moments_end_inside_the_video() -> None:
    moments = merge_moments([SECOND], [output([(100, 150, 0.5)])], duration_s=251.5)
    assert [(moment.start_s, moment.end_s) for moment in moments] == [(220.0, 251.5)]


def test_no_windows_give_no_moments() -> None:
    assert merged([], []) == []


def test_saliency_is_the_mean_where_segments_overlap() -> None:
    curve = stitch_saliency([FIRST, SECOND], [output([]), output([])], clips=135)
    assert curve.shape == (135,)
    assert curve[59] == 59.0
    assert curve[60] == (60 + 0) / 2
    assert curve[134] == 74.0


def test_saliency_of_clips_that_no_segment_covers_is_the_lowest() -> None:
    curve = stitch_saliency([SECOND], [output([])], clips=140)
    assert curve[:60].tolist() == [0.0] * 60
    assert curve[135:].tolist() == [0.0] * 5


def test_moments_that_read_alike_are_one() -> None:
    flash = [(0.0, 0.033, 0.2), (0.0, 0.01, 0.9), (0.02, 0.03, 0.8), (0.0, 0.8, 0.7), (0.5, 0.8, 0.6)]
    kept = [(0.0, 0.01), (0.0, 0.8), (0.5, 0.8)]
    moments = merge_moments([FIRST], [output(flash)], duration_s=150.0)
    assert [(moment.start_s, round(moment.end_s, 3)) for moment in moments] == kept
