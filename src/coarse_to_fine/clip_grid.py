"""Lengths of segments in whole clips."""

from __future__ import annotations

from coarse_to_fine.errors import ConfigError


def segment_grid(clip_seconds: float, segment_seconds: float, overlap_seconds: float) -> tuple[int, int]:
    """Clips of a segment, and clips from the start of one to the start of the next.

    Example:
        >>> segment_grid(2.0, 150.0, 30.0)
        (75, 60)

    Raises:
        ConfigError: a length that is not a multiple of `clip_seconds`, or an overlap that leaves no step.
    """
    length = _whole_clips("segment_seconds", segment_seconds, clip_seconds)
    step = length - _whole_clips("segment_overlap_seconds", overlap_seconds, clip_seconds)
    if step < 1:
        raise ConfigError(
            f"segment_overlap_seconds is {overlap_seconds:g}; expected less than segment_seconds {segment_seconds:g}; "
            "lower it"
        )
    return length, step


def _whole_clips(name: str, seconds: float, clip_seconds: float) -> int:
    clips = round(seconds / clip_seconds)
    if abs(clips * clip_seconds - seconds) > 1e-6:
        raise ConfigError(
            f"{name} is {seconds:g}; expected a multiple of clip_seconds ({clip_seconds:g}); "
            f"take {max(1, clips) * clip_seconds:g}"
        )
    return clips
