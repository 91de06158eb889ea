"""Annotated lengths of videos against the lengths of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coarse_to_fine.datasets.records import VideoInfo
from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.probe import probe

TOLERANCE_S = 2.0
TOLERANCE_SHARE = 0.02
"""A length differs if it is off by more than both."""


@dataclass(frozen=True, slots=True)
class DurationCheck:
    """Files whose length is not the annotated one, as (id, annotated, file), and files without a frame."""

    compared: int
    differing: tuple[tuple[str, float, float], ...]
    unreadable: tuple[tuple[str, str], ...]


def compare_durations(videos: Mapping[str, VideoInfo], paths: Mapping[str, Path]) -> DurationCheck:
    """Probe the files of videos with an annotated length."""
    differing, unreadable = [], []
    both = [name for name in paths if name in videos]
    for name in both:
        annotated = videos[name].duration_s
        try:
            seconds = probe(paths[name]).duration_s
        except VideoError as error:
            unreadable.append((name, str(error)))
            continue
        if abs(seconds - annotated) > max(TOLERANCE_S, TOLERANCE_SHARE * annotated):
            differing.append((name, annotated, seconds))
    return DurationCheck(len(both) - len(unreadable), tuple(differing), tuple(unreadable))
