"""Which times of a video are looked at: the clip grid, the segments, the coarse frames. Pure arithmetic.

N counts frames of a video, F the coarse frames of a segment, L the clips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.arguments import require_kind
from coarse_to_fine.clip_grid import segment_grid
from coarse_to_fine.errors import ConfigError, VideoError
from coarse_to_fine.video.video_file import Integers, Times, VideoFile

TOLERANCE_S = 5e-4
"""Half the coarsest tick in use (Matroska stores milliseconds): a frame stamped this much late still counts."""


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """One segment of a video and where its pictures come from.

    Attributes:
        index: number of the segment in its video, from 0.
        start_s, end_s: the window, seconds from the first frame.
        clip_slice: its clips among the clips of the video.
        frame_positions: (F,) positions of its coarse frames in `ReadingPlan.times_s`, ascending.
    """

    index: int
    start_s: float
    end_s: float
    clip_slice: slice
    frame_positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """The frames to decode once for clips, coarse frames and thumbnails (which are pictures of clips).

    Attributes:
        segments: in the order of time.
        clip_positions: (L,) position in `times_s` of the picture of each clip of the video.
        times_s: times of the distinct frames to decode, ascending.
    """

    segments: tuple[SegmentPlan, ...]
    clip_positions: tuple[int, ...]
    times_s: tuple[float, ...]


def clip_count(duration_s: float, clip_seconds: float = 2.0) -> int:
    """ceil(duration / clip), at least 1; a quotient above a whole number by rounding error alone is that number."""
    return max(1, math.ceil(duration_s / clip_seconds - 1e-9))


def clip_picture_times(duration_s: float, clip_seconds: float = 2.0) -> Times:
    """(L,) middle of each clip; the last clip is cut at the end of the video."""
    starts = np.arange(clip_count(duration_s, clip_seconds)) * clip_seconds
    middles: Times = (starts + np.minimum(starts + clip_seconds, duration_s)) / 2
    return middles


def frames_shown_at(frame_times_s: Times, times_s: Times) -> Integers:
    """Number of the frame on show at each time: the last one that began at or before it, else the first."""
    found = np.searchsorted(frame_times_s, np.asarray(times_s) + TOLERANCE_S, side="right") - 1
    return np.maximum(found, 0).astype(np.int64)


def segment_clips(
    duration_s: float, clip_seconds: float = 2.0, segment_seconds: float = 150.0, overlap_seconds: float = 30.0
) -> list[slice]:
    """Clips of each segment. Every segment but an only one holds `segment_seconds / clip_seconds` clips.

    Segments start every `segment_seconds - overlap_seconds`; the last one is moved back on the clip grid so that it
    ends with the video.

    Raises:
        ConfigError: a length that is not a multiple of `clip_seconds`, or an overlap that leaves no step.
    """
    length, step = segment_grid(clip_seconds, segment_seconds, overlap_seconds)
    total = clip_count(duration_s, clip_seconds)
    if total <= length:
        return [slice(0, total)]
    starts = [*range(0, total - length, step), total - length]
    return [slice(start, start + length) for start in starts]


def coarse_frame_indices(frame_count: int, frames: int = 12) -> Integers:
    """(F,) numbers of the frames that stand for `frame_count` frames; a short clip repeats its last frame.

    The frames are cut into min(F, N) equal parts and the middle frame of each is taken.

    Raises:
        ConfigError: there is no frame, or none is wanted.

    Source: T-MASS, `datasets/video_capture.py` (uniform mode).
    """
    parts = min(frames, frame_count)
    if parts < 1:
        raise ConfigError(f"{frame_count} frames and {frames} wanted; expected at least one of each")
    indices = _middles(np.linspace(0, frame_count, parts + 1))
    return np.pad(indices, (0, frames - parts), mode="edge")


def coarse_frame_indices_between(
    frame_count: int, fps: float, start_s: float, end_s: float, frames: int = 12
) -> Integers:
    """(F,) the same rule on the annotated part [start_s, end_s] of a file with constant rate, as T-MASS has for DiDeMo.

    Raises:
        ConfigError: the part holds fewer than `frames` frames, for which the release has no rule.
    """
    end_s = min(end_s, frame_count / fps)
    if (end_s - start_s) * fps < frames:
        raise ConfigError(
            f"the part {start_s:g}-{end_s:g} s at {fps:g} fps holds fewer than {frames} frames; "
            "expected at least as many; ask for fewer frames or take the whole video"
        )
    return _middles(np.linspace(start_s * fps, end_s * fps, frames + 1))


def plan_reading(
    video: VideoFile,
    clip_seconds: float = 2.0,
    segment_seconds: float = 150.0,
    overlap_seconds: float = 30.0,
    frames_per_segment: int = 12,
) -> ReadingPlan:
    """The one list of frames to decode for a video, and which of them serves which clip and segment.

    Raises:
        ConfigError: as `segment_clips`.
        UserError: `video` is no probed file.
    """
    require_kind(video, VideoFile, "video", "a probed file", "probe it first: probe(PATH)")
    return plan_times(
        video.frame_times_s, video.duration_s, clip_seconds, segment_seconds, overlap_seconds, frames_per_segment
    )


def plan_times(
    frame_times_s: Times,
    duration_s: float,
    clip_seconds: float = 2.0,
    segment_seconds: float = 150.0,
    overlap_seconds: float = 30.0,
    frames_per_segment: int = 12,
) -> ReadingPlan:
    """`plan_reading` from frame times and duration alone.

    Raises:
        ConfigError: as `segment_clips`.
        VideoError: there is no frame.
    """
    if not len(frame_times_s):
        raise VideoError("no frame; expected at least one; check that the file plays")
    clip_frames = frames_shown_at(frame_times_s, clip_picture_times(duration_s, clip_seconds))
    windows = segment_clips(duration_s, clip_seconds, segment_seconds, overlap_seconds)
    bounds = [(clips.start * clip_seconds, min(clips.stop * clip_seconds, duration_s)) for clips in windows]
    coarse = [_segment_frames(frame_times_s, start, end, frames_per_segment) for start, end in bounds]
    wanted = np.unique(np.concatenate([clip_frames, *coarse]))
    segments = tuple(
        SegmentPlan(index, start, end, clips, tuple(np.searchsorted(wanted, frames).tolist()))
        for index, (clips, (start, end), frames) in enumerate(zip(windows, bounds, coarse))
    )
    positions = tuple(np.searchsorted(wanted, clip_frames).tolist())
    return ReadingPlan(segments, positions, tuple(frame_times_s[wanted].tolist()))


def _segment_frames(frame_times_s: Times, start_s: float, end_s: float, frames: int) -> Integers:
    """(F,) coarse frames among those that begin in the window; none does: the one on show at its start."""
    first, stop = np.searchsorted(frame_times_s, [start_s - TOLERANCE_S, end_s - TOLERANCE_S]).tolist()
    if stop <= first:
        return np.repeat(frames_shown_at(frame_times_s, np.array([start_s])), frames)
    return coarse_frame_indices(stop - first, frames) + np.int64(first)


def _middles(edges: Times) -> Integers:
    whole = np.floor(edges).astype(np.int64)
    return np.asarray((whole[:-1] + whole[1:] - 1) // 2, np.int64)
