"""Frame times from odd time stamps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from coarse_to_fine.video.timing import (
    NO_STAMP,
    PacketList,
    Timeline,
    build_timeline,
    choose_clock,
    find_holes,
    hole_spans,
    join_spans,
    packets_behind,
)
from coarse_to_fine.video.video_file import LostSpan

MS = Fraction(1, 1000)


def packets(
    pts: list[int], dts: list[int] | None = None, shown: list[bool] | None = None, last: int = 40
) -> PacketList:
    count = len(pts)
    return PacketList(
        np.array(pts, np.int64),
        np.array(dts or [NO_STAMP] * count, np.int64),
        np.array([0] * (count - 1) + [last], np.int64),
        np.ones(count, np.int64),
        np.array([True] + [False] * (count - 1)),
        np.array(shown or [True] * count),
    )


def timeline(found: PacketList, close_gaps: bool = False) -> Timeline:
    return build_timeline(found, choose_clock(found), MS, Fraction(25), close_gaps)


def test_frames_are_sorted_by_presentation() -> None:
    found = timeline(packets([0, 120, 40, 80], [0, 40, 80, 120], last=0))
    assert found.frame_packets.tolist() == [0, 2, 3, 1]
    np.testing.assert_allclose(found.frame_times_s, [0, 0.04, 0.08, 0.12])
    assert found.duration_s == pytest.approx(0.16)


def test_hidden_packets_are_no_frames() -> None:
    found = timeline(packets([0, 39, 40, 80], shown=[True, False, True, True]))
    assert found.frame_packets.tolist() == [0, 2, 3]


def test_without_any_stamp_frames_are_counted_at_the_rate_of_the_file() -> None:
    found = timeline(packets([NO_STAMP] * 5))
    np.testing.assert_allclose(found.frame_times_s, np.arange(5) / 25)
    assert found.duration_s == pytest.approx(0.2)


def test_a_packet_without_stamp_among_many_is_left_out() -> None:
    found = timeline(packets([*range(0, 800, 40), NO_STAMP, *range(840, 1200, 40)]))
    assert len(found.frame_times_s) == 29


def test_a_last_frame_of_unknown_length_lasts_as_long_as_the_others() -> None:
    assert timeline(packets([0, 40, 80], last=0)).duration_s == pytest.approx(0.12)


def test_one_frame_of_unknown_length_lasts_one_interval() -> None:
    assert timeline(packets([7], last=0)).duration_s == pytest.approx(0.04)


def test_parts_that_start_anew_follow_each_other() -> None:
    part = list(range(0, 2000, 40))
    found = timeline(packets(part + part, part + part))
    np.testing.assert_allclose(found.frame_times_s, np.arange(100) * 0.04)
    assert found.seams_s == (2.0,)


def test_a_damaged_stamp_does_not_stretch_the_video() -> None:
    stamps = [*range(0, 400, 40), 9_000_000, *range(440, 800, 40)]
    found = timeline(packets(stamps, stamps))
    assert found.duration_s == pytest.approx(0.8)


def test_a_presentation_time_far_from_its_decoding_time_is_left_out() -> None:
    dts = list(range(0, 800, 40))
    pts = dts.copy()
    pts[10] = 50_000_000
    found = timeline(packets(pts, dts))
    assert len(found.frame_times_s) == 19
    assert found.duration_s == pytest.approx(0.8)


def test_a_wait_among_pictures_coded_out_of_order_is_no_seam_where_the_first_have_no_decoding_time() -> None:
    times = np.array([0, 40, 80, 120, 160, 3160, 3200, 3240, 3280, 3320])
    pts = times[[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]].tolist()
    found = timeline(packets(pts, [NO_STAMP, NO_STAMP, *times[:8].tolist()]))
    np.testing.assert_allclose(found.frame_times_s, times / 1000)
    assert found.seams_s == ()


def test_a_part_begins_with_its_pictures_that_have_no_decoding_time() -> None:
    part = np.arange(0, 2000, 40)
    found = timeline(packets(np.tile(part, 2).tolist(), np.tile([NO_STAMP, NO_STAMP, *part[:-2]], 2).tolist()))
    np.testing.assert_allclose(found.frame_times_s, np.arange(100) * 0.04)
    assert found.seams_s == (2.0,)


@pytest.mark.parametrize("step", [6_000, 600_000])
def test_rare_pictures_coded_out_of_order_are_all_kept(step: int) -> None:
    times = step * np.arange(31)
    pts = times[[0, *(first + later for first in range(1, 31, 3) for later in (2, 0, 1))]].tolist()
    found = timeline(packets(pts, [NO_STAMP, NO_STAMP, *times[:29].tolist()]))
    np.testing.assert_allclose(found.frame_times_s, times / 1000)


def test_pictures_behind_a_long_wait_are_kept_where_they_are_coded_out_of_order() -> None:
    times = np.r_[40 * np.arange(50), 120_000 + 40 * np.arange(50)]
    order = [0, *(first + later for first in range(1, 97, 3) for later in (2, 0, 1)), 97, 98, 99]
    found = timeline(packets(times[order].tolist(), [NO_STAMP, NO_STAMP, *times[:98].tolist()]))
    np.testing.assert_allclose(found.frame_times_s, times / 1000)


@pytest.mark.parametrize(("close_gaps", "duration"), [(False, 3600.08), (True, 0.12)])
def test_a_long_wait_is_closed_in_broadcasts_only(close_gaps: bool, duration: float) -> None:
    stamps = [0, 3_600_000, 3_600_040]
    assert timeline(packets(stamps, stamps), close_gaps).duration_s == pytest.approx(duration)


def test_a_hole_in_a_steady_video_is_found() -> None:
    times = np.delete(np.arange(0, 10, 0.04), slice(100, 130))
    assert find_holes(times) == [99]


@pytest.mark.parametrize(
    ("keys", "end"),
    [([0.0, 4.2, 6.0], 6.0), ([0.0, 5.2, 6.0], 5.2), ([0.0], 10.0)],
    ids=["next key", "key behind the hole", "no key"],
)
def test_with_a_hole_all_is_lost_up_to_the_next_key_frame(keys: list[float], end: float) -> None:
    times = np.delete(np.arange(0, 10, 0.04), slice(100, 130))
    (span,) = hole_spans([99], times, np.array(keys), 10.0)
    assert (span.start_s, span.end_s) == (pytest.approx(4.0), pytest.approx(end))
    assert hole_spans([], times, np.array(keys), 10.0) == []


def test_the_packet_behind_a_hole_is_the_next_in_the_file() -> None:
    assert packets_behind([3], np.array([0, 2, 3, 1, 5, 4])) == {4}


@pytest.mark.parametrize(
    "times",
    [
        np.cumsum(np.random.default_rng(0).uniform(0.02, 0.08, 300)),
        np.concatenate([np.arange(0, 5, 0.04), np.arange(5, 20, 0.5)]),
        np.arange(0, 0.4, 0.04),
    ],
    ids=["jitter", "slower half", "few frames"],
)
def test_uneven_videos_have_no_holes(times: np.ndarray) -> None:
    assert find_holes(times) == []


def test_near_spans_become_one() -> None:
    spans = [LostSpan(5, 6, "b"), LostSpan(1, 2, "a"), LostSpan(2.1, 3, "c"), LostSpan(1.5, 1.6, "d")]
    assert join_spans(spans) == [LostSpan(1, 3, "a"), LostSpan(5, 6, "b")]
