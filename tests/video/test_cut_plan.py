"""Plans of cuts take every wanted frame once, and copy only what can be decoded alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coarse_to_fine.video.cut_plan import cut_plans, decoding_times, frames_of
from coarse_to_fine.video.decode_plan import DecodePlan
from coarse_to_fine.video.video_file import PacketIndex


@st.composite
def coded_orders(draw: st.DrawFn) -> tuple[list[int], list[bool], list[bool]]:
    """(frame of each packet, whether it is a key frame, whether its group is open) of groups with pictures between."""
    frames: list[int] = []
    keys: list[bool] = []
    opens: list[bool] = []
    for _ in range(draw(st.integers(1, 6))):
        begin, leading = len(frames), draw(st.integers(0, 2)) if frames else 0
        group = [begin + leading, *range(begin, begin + leading)]
        for _ in range(draw(st.integers(0, 4))):
            between, place = draw(st.integers(0, 3)), begin + len(group)
            group += [place + between, *draw(st.permutations(range(place, place + between)))]
        frames += group
        keys += [True, *[False] * (len(group) - 1)]
        opens += [leading > 0, *[False] * (len(group) - 1)]
    return frames, keys, opens


def index_of(frames: list[int], keys: list[bool]) -> PacketIndex:
    stamps = np.array(frames, np.int64) * 10
    return PacketIndex(np.array(keys), stamps, np.ones_like(stamps), np.argsort(frames), Fraction(1, 10), "pts")


@given(coded_orders(), st.data())
def test_every_wanted_frame_is_taken_once(order: tuple[list[int], list[bool], list[bool]], data: st.DataObject) -> None:
    frames, keys, opens = order
    first = data.draw(st.integers(0, len(frames) - 1))
    wanted = range(first, data.draw(st.integers(first + 1, len(frames))))
    plans = list(cut_plans(DecodePlan(index_of(frames, keys)), wanted))
    for plan in plans:
        copied = frames[plan.copied.start : plan.copied.stop]
        assert [*plan.head, *sorted(copied), *plan.tail] == list(wanted)
        assert keys[plan.copied.start]
        assert not opens[plan.copied.start]
    usable = [n for n, frame in enumerate(frames) if keys[n] and not opens[n] and frame in wanted]
    assert [plan.copied.start for plan in plans] == usable


@given(coded_orders())
def test_no_picture_is_decoded_after_it_is_shown(order: tuple[list[int], list[bool], list[bool]]) -> None:
    shown = np.array(order[0]) * 3 + 7
    times = decoding_times(shown)
    assert np.all(np.diff(times) > 0)
    assert np.all(times <= shown)


def test_pictures_in_order_are_decoded_when_they_are_shown() -> None:
    assert decoding_times(np.array([5, 8, 20])).tolist() == [5, 8, 20]
    assert decoding_times(np.array([5])).tolist() == [5]


def test_a_stretch_holds_the_frame_on_show_at_its_start_and_none_from_its_end_on() -> None:
    times = np.arange(10) / 5
    assert frames_of(times, 0.4, 1.0) == range(2, 5)
    assert frames_of(times, 0.5, 1.01) == range(2, 6)
    assert frames_of(times, 0.5, 0.55) == range(2, 3)
    assert frames_of(times, 1.8, 2.0) == range(9, 10)
