"""Which frames belong to a stretch, which of them can be copied as they are coded. Pure arithmetic.

P counts packets in the order of the file, N frames in the order in which they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.video.decode_plan import DecodePlan
from coarse_to_fine.video.sampling import frames_shown_at
from coarse_to_fine.video.video_file import Integers, Times

ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class CutPlan:
    """A stretch in three parts that follow each other.

    Attributes:
        head: numbers of the frames to code anew before the copied part; may be empty.
        copied: numbers of the packets to copy, from one at which decoding can start.
        tail: numbers of the frames to code anew behind it; may be empty.
    """

    head: range
    copied: range
    tail: range


def frames_of(frame_times_s: Times, start_s: float, end_s: float) -> range:
    """Numbers of the frames of [start_s, end_s): the one on show at the start, and all that begin before the end.

    Args:
        frame_times_s: (N,) ascending.
        start_s, end_s: start before end.
    """
    first = int(frames_shown_at(frame_times_s, np.array([start_s]))[0])
    stop = int(np.searchsorted(frame_times_s, end_s - ROUNDING_S))
    return range(first, max(first + 1, stop))


def cut_plans(packets: DecodePlan, frames: range) -> Iterator[CutPlan]:
    """Ways to cut out consecutive frames, the one with the shortest head first.

    The copied part starts at a key frame. It ends behind the last packet up to which every frame that is decoded is
    wanted and none is missing among those that are shown: pictures that are coded out of order need later ones that
    may lie behind the end. Key frames with followers that are shown before them (open groups of pictures) are left out.
    """
    shown_as = packets.frame_of_packet
    for key in packets.key_packets.tolist():
        begin = int(shown_as[key])
        behind = shown_as[key:]
        if begin in frames and not np.any((behind >= 0) & (behind < begin)):
            count = _closed_length(behind[: frames.stop - begin], begin, frames.stop)
            yield CutPlan(range(frames.start, begin), range(key, key + count), range(begin + count, frames.stop))


def decoding_times(shown: Integers) -> Integers:
    """(M,) ascending times at which to decode pictures that are shown at `shown`, given in the order of decoding.

    No picture is decoded after it is shown; the first ones are decoded before the first is shown.
    """
    ordered = np.sort(shown)
    delay = int(np.max(np.arange(len(shown)) - np.searchsorted(ordered, shown)))
    step = int(np.min(np.diff(ordered))) if len(shown) > 1 else 1
    before = ordered[0] - step * np.arange(delay, 0, -1)
    times: Integers = np.concatenate([before, ordered])[: len(shown)]
    return times


def _closed_length(shown_as: Integers, begin: int, stop: int) -> int:
    """How many packets from the first can be taken so that their frames are all those from `begin` on, up to one."""
    unwanted = np.flatnonzero((shown_as < begin) | (shown_as >= stop))
    taken = shown_as[: unwanted[0]] if len(unwanted) else shown_as
    closed = np.flatnonzero(np.maximum.accumulate(taken) - begin == np.arange(len(taken)))
    return int(closed[-1]) + 1
