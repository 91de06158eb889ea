"""Splits may share neither a video nor clips of one source."""

from __future__ import annotations

import pytest

from coarse_to_fine.datasets.leaks import refuse_shared_videos, source_video
from coarse_to_fine.errors import DataError


@pytest.mark.parametrize(
    ("video_id", "source"),
    [
        ("-_x345678_y_210.0_360.0", "-_x345678_y"),
        ("s13-d21", "s13-d21"),
        ("video7020", "video7020"),
        ("12345@N01_6789_1011.mov", "12345@N01_6789_1011.mov"),
        ("holiday_2020_1", "holiday_2020_1"),
    ],
)
def test_a_clip_that_names_its_source_belongs_to_it(video_id, source):
    assert source_video(video_id) == source


def test_clips_of_one_source_are_refused_in_two_splits():
    clips = {"train": ["NUsG9BgSes0_210.0_360.0"], "val": ["NUsG9BgSes0_60.0_210.0"]}
    with pytest.raises(DataError, match=r"train and val share 1 video \(NUsG9BgSes0\);"):
        refuse_shared_videos(clips)
    refuse_shared_videos(clips | {"val": ["NUsG9BgSes1_60.0_210.0"]})
