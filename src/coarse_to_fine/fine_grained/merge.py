"""Moments and saliency of overlapping segments, joined into the time of the whole video.

A segment cuts what crosses its border: such a moment gives way to the neighbour's whole one, and two halves are joined.

Axes: K windows, L clips of the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.spans import temporal_nms
from coarse_to_fine.types import MomentOutput

AGREEMENT = 0.7
"""Two segments mean the same moment if their windows have this IoU where both segments look."""
SAME_TIME_S = 0.1
"""Nearer times read alike; clips of two seconds cannot tell them apart."""


@runtime_checkable
class SegmentTimes(Protocol):
    """Where a segment lies in its video, in seconds; `SegmentFeatures` is one."""

    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def clip_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LocatedMoment:
    """A moment in the time of its video.

    Attributes:
        start_s, end_s: seconds from the start of the video.
        score: foreground probability.
        segment: index of the segment that it was found in.
        cut_start, cut_end: whether it ends at a border of its segment inside the video.
    """

    start_s: float
    end_s: float
    score: float
    segment: int
    cut_start: bool = False
    cut_end: bool = False

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


def merge_moments(
    segments: Sequence[SegmentTimes],
    outputs: Sequence[MomentOutput],
    duration_s: float,
    nms: float = 0.7,
) -> list[LocatedMoment]:
    """Moments of one video from its segments, best first, each event once.

    Args:
        segments: where the segments lie; any subset of the video's segments in any order.
        outputs: what the fine model said about each.
        duration_s: duration of the video.
        nms: moments that overlap a better one by more IoU are dropped, and those that begin and end where it does, to
            a tenth of a second: in a video of one frame all moments are one.
    """
    found = [
        moment
        for index, (segment, output) in enumerate(zip(segments, outputs, strict=True))
        for moment in _in_video_time(index, segment, output, duration_s)
    ]
    whole = _without_covered_cuts(segments, [*found, *_joined_halves(segments, found)])
    if not whole:
        return []
    spans = torch.tensor([[moment.start_s, moment.end_s] for moment in whole], dtype=torch.float64)
    scores = torch.tensor([moment.score for moment in whole], dtype=torch.float64)
    return _told_apart([whole[index] for index in temporal_nms(spans, scores, nms)])


def _told_apart(moments: Sequence[LocatedMoment]) -> list[LocatedMoment]:
    """Without those that begin and end where a better one does, as times are shown."""
    kept: list[LocatedMoment] = []
    for moment in moments:
        if not any(
            max(abs(moment.start_s - other.start_s), abs(moment.end_s - other.end_s)) <= SAME_TIME_S for other in kept
        ):
            kept.append(moment)
    return kept


def stitch_saliency(
    segments: Sequence[SegmentTimes], outputs: Sequence[MomentOutput], clips: int
) -> Float[Tensor, " L"]:
    """The saliency curve of the whole video: the mean where segments overlap, the lowest value where there is none.

    Args:
        segments: where the segments lie, on one grid of clips.
        outputs: what the fine model said about each.
        clips: L, number of clips of the video.
    """
    total, count = torch.zeros(clips), torch.zeros(clips)
    for segment, output in zip(segments, outputs, strict=True):
        first = round(segment.start_s / segment.clip_seconds)
        values = output.saliency[: max(0, clips - first)].float()
        total[first : first + len(values)] += values
        count[first : first + len(values)] += 1
    seen = count > 0
    curve = total / count.clamp(min=1)
    lowest = curve[seen].min() if bool(seen.any()) else curve.new_zeros(())
    return torch.where(seen, curve, lowest)


def _in_video_time(index: int, segment: SegmentTimes, output: MomentOutput, duration_s: float) -> list[LocatedMoment]:
    moments = []
    for (start_s, end_s), score in zip(output.windows_s.tolist(), output.scores.tolist(), strict=True):
        start_s, end_s = segment.start_s + start_s, min(segment.start_s + end_s, duration_s)
        if end_s <= start_s:
            continue
        at_start = start_s < segment.start_s + segment.clip_seconds / 2 and segment.start_s > 0
        at_end = end_s > segment.end_s - segment.clip_seconds / 2 and segment.end_s < duration_s
        moments.append(LocatedMoment(start_s, end_s, score, index, at_start, at_end))
    return moments


def _joined_halves(segments: Sequence[SegmentTimes], moments: Sequence[LocatedMoment]) -> list[LocatedMoment]:
    """A moment cut at its end and a later segment's cut at its start are one if they agree where both look."""
    heads = [moment for moment in moments if moment.cut_end]
    tails = [moment for moment in moments if moment.cut_start]
    return [
        replace(head, end_s=tail.end_s, score=min(head.score, tail.score), cut_end=tail.cut_end)
        for head in heads
        for tail in tails
        if head.start_s < tail.start_s and head.end_s < tail.end_s
        if _agree(head, tail, segments[tail.segment].start_s, segments[head.segment].end_s)
    ]


def _without_covered_cuts(segments: Sequence[SegmentTimes], moments: Sequence[LocatedMoment]) -> list[LocatedMoment]:
    """Drop a cut moment that is a less cut one seen through its segment; the one that stays has the better score."""
    kept = dict(enumerate(moments))
    for number in sorted(kept, key=lambda item: moments[item].length_s):
        moment = kept[number]  # with the better score that it may have got meanwhile
        if not (moment.cut_start or moment.cut_end):
            continue
        border = segments[moment.segment]
        same = [
            other_number
            for other_number, other in kept.items()
            if other.length_s > moment.length_s
            and ((moment.cut_start and not other.cut_start) or (moment.cut_end and not other.cut_end))
            and _agree(other, moment, border.start_s, border.end_s)
        ]
        if same:
            best = max(same, key=lambda item: kept[item].score)
            kept[best] = replace(kept[best], score=max(kept[best].score, moment.score))
            del kept[number]
    return list(kept.values())


def _agree(a: LocatedMoment, b: LocatedMoment, start_s: float, end_s: float) -> bool:
    """Whether two moments are nearly the same inside [start_s, end_s]."""
    (a_start, a_end), (b_start, b_end) = ((max(moment.start_s, start_s), min(moment.end_s, end_s)) for moment in (a, b))
    overlap_s = min(a_end, b_end) - max(a_start, b_start)
    return overlap_s > 0 and overlap_s >= AGREEMENT * (max(a_end, b_end) - min(a_start, b_start))
