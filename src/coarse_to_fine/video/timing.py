"""Frame times from the time stamps of packets. Pure arithmetic on arrays.

P counts packets in the order of the file, N frames in the order in which they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from coarse_to_fine.video.video_file import Clock, Flags, Integers, LostSpan, Times

DECODING_JUMP_BACK_S = 0.2
"""Decoding times never go back; if they do so this far, a new part starts."""
SHOWING_JUMP_BACK_S = 2.0
"""Presentation times of packets go back by a few frames wherever pictures are coded out of order."""
JUMP_AHEAD_S = 10.0
"""Longest wait between frames of a broadcast, and between decoding and showing a frame."""
MOST_HELD = 16
"""Pictures that a decoder holds back at most before it shows one."""
FEW_WITHOUT_STAMP = 0.1
STEADY_SHARE = 0.95
HOLE_FACTOR = 3.0
HOLE_S = 0.25
JOINED_GAP_S = 0.25
MISSING_FRAMES = "the file holds no frames here"
NO_STAMP = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class PacketList:
    """What one pass over the packets of a stream gives, before it is made sense of.

    Attributes:
        pts, dts: (P,) time stamps in ticks, `NO_STAMP` where there is none.
        durations: (P,) in ticks, 0 where unknown.
        sizes: (P,) bytes.
        is_key, is_shown: (P,) whether decoding can start at a packet; whether it holds a picture to show.
    """

    pts: Integers
    dts: Integers
    durations: Integers
    sizes: Integers
    is_key: Flags
    is_shown: Flags

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Frame times and the packets that hold the frames.

    Attributes:
        frame_packets: (N,) number of the packet of each frame.
        frame_times_s: (N,) ascending, the first is 0.
        duration_s: end of the last frame.
        first_stamp: time stamp of the first frame in ticks.
        seams_s: times at which the time stamps start anew and were joined.
    """

    frame_packets: Integers
    frame_times_s: Times
    duration_s: float
    first_stamp: int
    seams_s: tuple[float, ...]


def choose_clock(packets: PacketList) -> Clock:
    """Presentation times if (nearly) every packet has one, else decoding times, else the number of the packet."""
    if np.mean(packets.pts == NO_STAMP) <= FEW_WITHOUT_STAMP:
        return "pts"
    return "dts" if np.mean(packets.dts == NO_STAMP) <= FEW_WITHOUT_STAMP else "count"


def build_timeline(
    packets: PacketList, clock: Clock, time_base: Fraction, rate: Fraction, close_gaps: bool = False
) -> Timeline:
    """Frames in the order in which they are shown, with times from the first.

    Args:
        packets: at least one of them shown.
        clock: which time stamps to go by.
        time_base: seconds a tick.
        rate: frames a second where time stamps do not tell.
        close_gaps: whether jumps ahead are seams too (broadcast streams).
    """
    ticks_a_frame = max(1, round(1 / (rate * time_base)))
    stamps = {"pts": packets.pts, "dts": packets.dts, "count": np.arange(len(packets)) * ticks_a_frame}[clock]
    shown = packets.is_shown & (stamps != NO_STAMP)
    if clock == "pts":
        shown &= _sensible(packets, time_base, 0 if close_gaps else MOST_HELD)
    usable = np.flatnonzero(shown)
    seam_places = _seams(packets.dts[usable], stamps[usable], time_base, close_gaps)
    shifted = _join_parts(stamps[usable], seam_places, ticks_a_frame)
    display = np.argsort(shifted, kind="stable")
    frame_packets, ticks = usable[display], shifted[display]
    last = int(packets.durations[frame_packets[-1]]) or (int(np.median(np.diff(ticks))) if len(ticks) > 1 else 0)
    base = float(time_base)
    times = (ticks - ticks[0]) * base
    duration = float(times[-1]) + (last if last > 0 else ticks_a_frame) * base
    seams = tuple(float((shifted[place] - ticks[0]) * base) for place in seam_places)
    return Timeline(frame_packets, times, round(duration, 6), int(ticks[0]), seams)


def find_holes(frame_times_s: Times) -> list[int]:
    """Numbers of the frames behind which frames are missing in a video whose rate is otherwise constant.

    A video whose rate varies has long frames by right, so nothing is said about it.
    """
    gaps = np.diff(frame_times_s)
    if len(gaps) < 20:
        return []
    usual = float(np.median(gaps))
    steady = np.mean(np.abs(gaps - usual) <= 0.2 * usual + 1e-3)
    holes = np.flatnonzero((gaps > HOLE_FACTOR * usual) & (gaps > HOLE_S))
    if steady < STEADY_SHARE or len(holes) > max(1, 0.01 * len(gaps)):
        return []
    places: list[int] = holes.tolist()
    return places


def hole_spans(holes: Sequence[int], frame_times_s: Times, restarts_s: Times, duration_s: float) -> list[LostSpan]:
    """What is lost with missing frames: all up to the next frame that builds on none of them.

    Args:
        holes: numbers of the frames behind which frames are missing.
        frame_times_s: (N,) of all frames.
        restarts_s: of the frames that may follow a hole: the key frames where frames went missing after they were
            coded, for no decoder complains and it adds changes to an older picture; all where they never were.
        duration_s: of the video.
    """
    usual = float(np.median(np.diff(frame_times_s))) if holes else 0.0
    spans = []
    for at in holes:
        next_ones = restarts_s[restarts_s >= frame_times_s[at + 1]]
        end = float(next_ones[0]) if len(next_ones) else duration_s
        spans.append(LostSpan(float(frame_times_s[at]) + usual, end, MISSING_FRAMES))
    return spans


def packets_behind(holes: Sequence[int], frame_packets: Integers) -> frozenset[int]:
    """The first packet in the file behind each hole."""
    return frozenset(int(frame_packets[: at + 1].max()) + 1 for at in holes)


def join_spans(spans: Iterable[LostSpan]) -> list[LostSpan]:
    """Ascending spans without overlap; those at most JOINED_GAP_S apart become one, with the first's reason."""
    joined: list[LostSpan] = []
    for span in sorted(spans, key=lambda span: span.start_s):
        if joined and span.start_s <= joined[-1].end_s + JOINED_GAP_S:
            earlier = joined.pop()
            span = LostSpan(earlier.start_s, max(earlier.end_s, span.end_s), earlier.reason)
        joined.append(span)
    return joined


def _sensible(packets: PacketList, time_base: Fraction, held: int) -> Flags:
    """(P,) False where the presentation time is so far from the decoding time that one of them is damaged.

    Between the two of a picture lie at most `held` others, however long each of them is shown.
    """
    known = (packets.pts != NO_STAMP) & (packets.dts != NO_STAMP)
    if not known.any():
        return np.ones(len(packets), np.bool_)
    apart = np.where(known, np.abs(packets.pts - packets.dts), 0) * float(time_base)
    dts = _filled(packets.dts)
    later = dts[np.minimum(np.arange(len(dts)) + held, len(dts) - 1)]
    usual = held * (np.median(np.diff(dts)) if len(dts) > 1 else 0)
    near: Flags = apart <= JUMP_AHEAD_S + np.maximum(later - dts, usual) * float(time_base)
    return near if near.mean() > 0.5 else np.ones_like(near)


def _seams(dts: Integers, stamps: Integers, time_base: Fraction, close_gaps: bool) -> list[int]:
    """Places in (M,) stamps where time starts anew.

    Jumps ahead are seams too in broadcast streams, and wherever stamps also jump back: a damaged stamp does both.
    """
    decoding = bool(np.any(dts != NO_STAMP))
    steps = np.diff(_filled(dts) if decoding else stamps) * float(time_base)
    broken = steps < -(DECODING_JUMP_BACK_S if decoding else SHOWING_JUMP_BACK_S)
    if close_gaps or broken.any():
        broken |= steps > JUMP_AHEAD_S
    places: list[int] = (np.flatnonzero(broken) + 1).tolist()
    return places


def _filled(dts: Integers) -> Integers:
    """(M,) decoding times where some are known; a missing one is the next known one, for a part's first may lack it."""
    known = np.flatnonzero(dts != NO_STAMP)
    after = np.searchsorted(known, np.arange(len(dts)))
    return dts[known[np.minimum(after, len(known) - 1)]]


def _join_parts(stamps: Integers, places: list[int], ticks_a_frame: int) -> Integers:
    """(M,) stamps in which each part follows the one before it."""
    joined = stamps.copy()
    for place, stop in zip(places, [*places[1:], len(stamps)]):
        joined[place:stop] += int(joined[:place].max()) + ticks_a_frame - int(stamps[place:stop].min())
    return joined
