"""Frames are asked for of a probed file, at times, in a size; anything else is told so in one line."""

from __future__ import annotations

import pytest

from coarse_to_fine.errors import UserError
from coarse_to_fine.video import plan_reading, probe, read_frames
from tests.library.small_videos import write_video


@pytest.mark.parametrize("given", [None, 5, b"v.mp4", ["v.mp4"]])
def test_a_probed_file_is_a_path(given):
    with pytest.raises(UserError, match=r"the video is .*; expected a path; "):
        probe(given)


@pytest.mark.parametrize("given", ["v.mp4", None])
def test_frames_are_those_of_a_probed_file(given):
    for way in (lambda: plan_reading(given), lambda: read_frames(given, [1.0])):
        with pytest.raises(UserError, match=r"video is .*; expected a probed file; probe it first: probe\(PATH\)"):
            way()


def test_times_and_size_of_frames_are_checked_first(tmp_path):
    write_video(tmp_path / "v.mp4", 4, 0)
    video = probe(tmp_path / "v.mp4")
    for given in (None, 1.0, "1"):
        with pytest.raises(UserError, match=r"times_s is .*; expected seconds from the first frame; "):
            read_frames(video, given)
    for size in (112, (112, 112)):
        with pytest.raises(UserError, match=r"size is .*; expected a PictureSize; give one: PictureSize\(112\)"):
            read_frames(video, [1.0], size=size)
