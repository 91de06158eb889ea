"""Clip grid, segments and coarse frames."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coarse_to_fine.errors import ConfigError, VideoError
from coarse_to_fine.video.sampling import (
    clip_count,
    clip_picture_times,
    coarse_frame_indices,
    coarse_frame_indices_between,
    frames_shown_at,
    plan_times,
    segment_clips,
)


@pytest.mark.parametrize("clip_seconds", [0.5, 1.0, 1.5, 2.0])
def test_every_duration_gives_its_clips(clip_seconds: float) -> None:
    for tenths in range(1, 1601):
        duration = tenths / 10
        count = clip_count(duration, clip_seconds)
        assert count == math.ceil(round(duration / clip_seconds, 6))
        times = clip_picture_times(duration, clip_seconds)
        assert len(times) == count
        assert np.all((times >= 0) & (times < duration))


@given(st.floats(0.03, 160))
def test_every_duration_gives_features_for_every_stream(duration: float) -> None:
    frame_times = np.arange(0, duration, 1 / 25)
    plan = plan_times(frame_times, duration)
    assert len(plan.clip_positions) == clip_count(duration)
    assert all(len(segment.frame_positions) == 12 for segment in plan.segments)
    used = {*plan.clip_positions, *(position for segment in plan.segments for position in segment.frame_positions)}
    assert used == set(range(len(plan.times_s)))
    assert list(plan.times_s) == sorted(set(plan.times_s))


@given(st.floats(0.5, 20_000))
def test_segments_cover_the_video_on_the_clip_grid(duration: float) -> None:
    segments = segment_clips(duration)
    assert segments[0].start == 0
    assert segments[-1].stop == clip_count(duration)
    assert all(later.start < earlier.stop for earlier, later in itertools.pairwise(segments))
    assert all(later.start > earlier.start for earlier, later in itertools.pairwise(segments))
    if len(segments) > 1:
        assert all(clips.stop - clips.start == 75 for clips in segments)


def test_segments_of_a_long_video() -> None:
    plan = plan_times(np.arange(0, 401, 0.5), 401.0)
    assert [(segment.start_s, segment.end_s) for segment in plan.segments] == [
        (0, 150),
        (120, 270),
        (240, 390),
        (252, 401),
    ]
    assert [segment.index for segment in plan.segments] == [0, 1, 2, 3]
    assert plan.segments[3].clip_slice == slice(126, 201)


def test_a_video_of_one_segment_has_one_segment() -> None:
    (segment,) = plan_times(np.arange(0, 150, 0.1), 150.0).segments
    assert (segment.start_s, segment.end_s, segment.clip_slice) == (0.0, 150.0, slice(0, 75))


def test_clips_of_overlapping_segments_are_the_same_rows() -> None:
    plan = plan_times(np.arange(0, 400, 0.5), 400.0)
    first, second = plan.segments[0].clip_slice, plan.segments[1].clip_slice
    assert range(*first.indices(200))[60:] == range(*second.indices(200))[:15]


def test_the_picture_of_a_clip_is_on_show_in_its_middle() -> None:
    plan = plan_times(np.arange(0, 5, 0.1), 4.95)
    shown = [plan.times_s[position] for position in plan.clip_positions]
    np.testing.assert_allclose(shown, [1.0, 3.0, 4.4])


def test_a_frame_stamped_half_a_millisecond_late_still_counts() -> None:
    assert frames_shown_at(np.array([0.0, 1.0004, 2.0]), np.array([1.0])).tolist() == [1]
    assert frames_shown_at(np.array([0.0, 1.002, 2.0]), np.array([1.0])).tolist() == [0]


def test_a_time_before_the_first_frame_shows_the_first() -> None:
    assert frames_shown_at(np.array([0.5, 1.0]), np.array([0.0])).tolist() == [0]


def test_uneven_rates_are_sampled_by_listed_frames() -> None:
    times = np.concatenate([np.arange(0, 10, 0.1), np.arange(10, 20, 1.0)])
    plan = plan_times(times, 20.0, frames_per_segment=11)
    chosen = [plan.times_s[position] for position in plan.segments[0].frame_positions]
    np.testing.assert_allclose(chosen, times[coarse_frame_indices(110, 11)])


def test_a_segment_without_a_frame_shows_the_frame_before() -> None:
    times = np.array([0.0, 1.0, 399.0])
    plan = plan_times(times, 400.0)
    middle = plan.segments[1]
    assert {plan.times_s[position] for position in middle.frame_positions} == {1.0}


def test_coarse_frames_of_fewer_frames_than_asked_repeat_the_last() -> None:
    assert coarse_frame_indices(2, 4).tolist() == [0, 1, 1, 1]


def test_no_frames_are_refused() -> None:
    with pytest.raises(VideoError, match="no frame"):
        plan_times(np.array([]), 1.0)
    with pytest.raises(ConfigError, match="0 frames"):
        coarse_frame_indices(0)


def test_a_part_shorter_than_the_frames_asked_is_refused() -> None:
    with pytest.raises(ConfigError, match="fewer than 12 frames"):
        coarse_frame_indices_between(900, 30.0, 1.0, 1.2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"segment_seconds": 151}, "segment_seconds is 151; expected a multiple of clip_seconds"),
        ({"overlap_seconds": 150}, "overlap_seconds is 150; expected less than segment_seconds"),
        ({"overlap_seconds": 31}, "overlap_seconds is 31; expected a multiple"),
    ],
)
def test_lengths_off_the_clip_grid_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        segment_clips(300.0, **settings)
