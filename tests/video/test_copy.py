"""Clips that are copied hold the same pictures as the video, from a key frame on."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import copy_clip, probe, read_frames
from tests.video.files import rewrap
from tests.video.reading import Film, numbers_of

REORDERED = 4
"""Pictures behind the end that earlier ones may need."""


@pytest.mark.parametrize(
    ("name", "first", "suffix"),
    [
        ("plain.mp4", 60, ".mp4"),
        ("no_bframes.mp4", 72, ".mp4"),
        ("sound.ts", 60, ".mkv"),
        ("uneven.mkv", None, ".mp4"),
        ("vp8_one_key.webm", 0, ".mkv"),
        ("av1.mp4", 60, ".mp4"),
    ],
)
def test_a_copy_holds_every_frame_from_the_key_frame_on(
    film: Film, tmp_path: Path, name: str, first: int | None, suffix: str
) -> None:
    made = copy_clip(film(name), 2.5, 2.9, tmp_path / "clip.any")
    original = probe(film(name))
    start = int(np.searchsorted(original.frame_times_s, made.start_s - 1e-3))
    stop = int(np.searchsorted(original.frame_times_s, 2.9 - 1e-3))
    assert made.path.suffix == suffix
    assert first is None or start == first
    copied = numbers_of(made.path)
    assert copied[: stop - start] == numbers_of(film(name))[start:stop]
    assert 0 <= len(copied) - (stop - start) <= REORDERED


def test_pictures_are_the_same_to_the_bit(film: Film, tmp_path: Path) -> None:
    made = copy_clip(film("plain.mp4"), 2.0, 3.0, tmp_path / "clip.mp4")
    assert made.start_s == 2.0
    original, copied = probe(film("plain.mp4")), probe(made.path)
    ours = [read.picture for read in read_frames(copied, copied.frame_times_s.tolist())]
    theirs = [read.picture for read in read_frames(original, (copied.frame_times_s + 2.0).tolist())]
    assert 30 <= len(ours) == len(theirs) <= 30 + REORDERED
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_sound_is_copied_beside_the_pictures(film: Film, tmp_path: Path) -> None:
    made = copy_clip(film("plain.mp4"), 2.0, 3.0, tmp_path / "clip.mp4")
    with av.open(str(made.path)) as container:
        frames = list(container.decode(container.streams.audio[0]))
    assert frames[0].time == pytest.approx(0.0, abs=0.05)
    assert frames[-1].time == pytest.approx(1.0, abs=0.08)


def test_times_count_from_the_first_frame_of_a_late_stream(film: Film, tmp_path: Path) -> None:
    late = rewrap(film("sound.ts"), tmp_path / "late.ts", shift_s=582.336)
    made = copy_clip(late, 1.2, 2.0, tmp_path / "clip.mp4")
    assert made.start_s == pytest.approx(1.0, abs=0.01)
    copied = numbers_of(made.path)
    assert copied[:30] == list(range(30, 60))
    assert 30 <= len(copied) <= 30 + REORDERED


def test_what_cannot_be_copied_is_refused_and_leaves_nothing(film: Film, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="with coding"):
        copy_clip(film("h264_no_pts.avi"), 1.0, 2.0, tmp_path / "clip.mp4")
    with pytest.raises(VideoError, match="empty or outside"):
        copy_clip(film("plain.mp4"), 50.0, 60.0, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
