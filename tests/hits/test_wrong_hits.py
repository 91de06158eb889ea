"""What is no hit, no moments and no path gets one line that says what to give."""

from __future__ import annotations

import pytest

from coarse_to_fine.errors import UserError
from coarse_to_fine.hits.clips import cut_hits, make_reel
from coarse_to_fine.hits.notebook import display_hits
from coarse_to_fine.hits.players import open_hit
from coarse_to_fine.hits.plot import plot_moments


def refused(call, message):
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_hits_are_the_list_of_one_search(hits, hits_pipeline, tmp_path):
    moments = hits_pipeline.moments("a red square", hits[0].video_id)
    videos = hits_pipeline.rank_videos("a red square")
    for given in (None, 5, "a red square", hits[0], moments, videos, [hits], ["v.mp4"]):
        for way in (
            lambda given=given: cut_hits(given, tmp_path / "clips"),
            lambda given=given: make_reel(given, tmp_path / "reel.mp4"),
            lambda given=given: display_hits(given),
        ):
            refused(way, "hits is .*; expected (several MomentHit|a MomentHit); ")
    for given in (None, hits, "v.mp4"):
        refused(
            lambda given=given: open_hit(given), "hit is .*; expected a MomentHit; give what `Pipeline.search` gave"
        )
    assert not list(tmp_path.iterdir())


def test_a_plot_shows_moments(hits, hits_pipeline):
    path, found = hits[0].path, hits_pipeline.moments("a red square", hits[0].video_id)
    for given in (None, hits, hits[0]):
        refused(lambda given=given: plot_moments(given, path), "found is .*; expected VideoMoments; give what")
    refused(lambda: plot_moments(found, path, shown=found), "shown is of type VideoMoments; expected a MomentHit")
    refused(lambda: plot_moments(found, None), "path is None; expected a path; give that of the video")
    refused(lambda: plot_moments(found, path, width="800"), "width is '800'; expected a whole number")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pad_s": "1"}, "pad_s is '1'; expected seconds"),
        ({"pad_s": float("nan")}, "the padding is nan s; expected 0 or more"),
        ({"max_height": "360"}, "max_height is '360'; expected a whole number"),
        ({"coding": "fast"}, "coding is 'fast'; expected one of least, none, all"),
        ({"progress": True}, "progress is True; expected a function"),
    ],
)
def test_options_of_clips_are_checked_first(hits, tmp_path, options, message):
    refused(lambda: cut_hits(hits, tmp_path / "clips", **options), message)
    if options.keys() & {"pad_s", "max_height"}:
        refused(lambda: make_reel(hits, tmp_path / "reel.mp4", **options), message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [None, 5])
def test_clips_go_to_a_path(hits, given):
    refused(lambda: cut_hits(hits, given), "folder is .*; expected a path")
    refused(lambda: make_reel(hits, given), "out is .*; expected a path")
