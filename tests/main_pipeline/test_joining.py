"""What both stages said becomes lists of hits: order, ties, places of segments."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from coarse_to_fine.coarse_grained.retrieve import RankedVideo
from coarse_to_fine.fusion import FusionConfig
from coarse_to_fine.library import StoredVideo
from coarse_to_fine.main_pipeline.joining import joined_hits, moments_of_video, video_hits
from coarse_to_fine.types import MomentOutput, SegmentFeatures

WINDOWS = {"a#0": (0.0, 20.0), "a#1": (20.0, 40.0), "b#0": (0.0, 20.0)}


def stored(video_id):
    known = {"video_id": video_id, "path": f"/{video_id}.mp4", "duration_s": 40.0, "clip_count": 20}
    return StoredVideo(**{field.name: known.get(field.name, 0) for field in fields(StoredVideo)})


VIDEOS = {"a": stored("a"), "b": stored("b")}
FEATURES = {
    name: SegmentFeatures(name, name[0], start_s, end_s, 2.0, torch.zeros(1, 4), torch.zeros(10, 4))
    for name, (start_s, end_s) in WINDOWS.items()
}


def said(*moments):
    """(start, end, score) from the start of the segment, as a fine model gives them."""
    rows = torch.tensor(moments, dtype=torch.float32).reshape(-1, 3)
    return MomentOutput(rows[:, :2], rows[:, 2], torch.zeros(10))


def test_equal_scores_are_sorted_by_video_and_start():
    ranked = [RankedVideo("a", 0.3, 1, ("a#1", "a#0")), RankedVideo("b", 0.3, 2, ("b#0",))]
    outputs = {"a#0": said((4, 8, 0.5)), "a#1": said((4, 8, 0.5)), "b#0": said((1, 3, 0.5))}
    hits = joined_hits(ranked, outputs, FEATURES, VIDEOS, FusionConfig())
    assert [(hit.video_id, hit.start_s, hit.segment_s) for hit in hits] == [
        ("a", 4.0, (0.0, 20.0)),
        ("a", 24.0, (20.0, 40.0)),
        ("b", 1.0, (0.0, 20.0)),
    ]
    assert {(hit.coarse_score, hit.moment_score) for hit in hits} == {(0.3, 0.5)}
    assert hits[0].score == pytest.approx(0.5)  # both videos are equally probable


def test_no_candidate_and_no_moment_give_no_hit():
    assert joined_hits([], {}, {}, {}, FusionConfig()) == []
    ranked = [RankedVideo("b", 0.3, 1, ("b#0",))]
    assert joined_hits(ranked, {"b#0": said()}, FEATURES, VIDEOS, FusionConfig()) == []


def test_a_whole_video_has_the_moments_and_the_curve_of_all_its_segments():
    outputs = {"a#0": said((4, 8, 0.2)), "a#1": said((4, 8, 0.9))}
    found = moments_of_video(VIDEOS["a"], [FEATURES["a#0"], FEATURES["a#1"]], outputs, 2.0)
    assert [(hit.start_s, hit.score) for hit in found.hits] == [(24.0, pytest.approx(0.9)), (4.0, pytest.approx(0.2))]
    assert (found.clip_seconds, found.saliency.shape) == (2.0, (20,))


def test_a_video_is_shown_with_its_best_segment():
    (hit,) = video_hits([RankedVideo("a", 0.3, 1, ("a#1", "a#0"))], VIDEOS, WINDOWS)
    assert (hit.path, hit.score, hit.rank, hit.segment_s) == ("/a.mp4", 0.3, 1, (20.0, 40.0))
