"""The standing of the true video in a list, against a slow version."""

from __future__ import annotations

import json

import numpy as np
import pytest

from coarse_to_fine.evaluation.predictions import RankedVideos, read_predictions
from coarse_to_fine.evaluation.score_stream import best_lists
from coarse_to_fine.evaluation.video_lists import Standing, standing


@pytest.mark.parametrize("seed", range(20))
def test_a_standing_counts_the_wrong_videos_above_and_level(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = tuple(f"v{number}" for number in rng.integers(0, 12, 15))  # some stand twice: the first score counts
    scores = rng.integers(0, 4, 15).astype(np.float64)
    true = {f"v{number}" for number in rng.integers(0, 16, 3)}
    first: dict[str, float] = {}
    for video_id, score in zip(ids, scores):
        first.setdefault(video_id, score)
    right = [score for video_id, score in first.items() if video_id in true]
    wrong = [score for video_id, score in first.items() if video_id not in true]
    expected = Standing(19, 0, listed=False)
    if right:
        expected = Standing(sum(s > max(right) for s in wrong), sum(s == max(right) for s in wrong))
    assert standing(RankedVideos(ids, scores), true, 20) == expected
    assert standing(RankedVideos(ids, scores), true, 20, strict=True).above == expected.above


@pytest.mark.parametrize("seed", range(20))
def test_lists_of_the_best_videos_have_the_standings_of_lists_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"v{number:02d}" for number in range(12)]
    scores = rng.integers(0, 5, (4, 12)).astype(np.float32)
    right = [set(), *({f"v{number:02d}" for number in rng.integers(0, 14, 3)} for _ in scores[1:])]
    found = best_lists(ids, scores, right, top=3)
    for row, own, short in zip(scores, right, found):
        order = sorted(range(12), key=lambda number: -row[number])
        whole = RankedVideos(tuple(ids[number] for number in order), row[order].astype(np.float64))
        assert short.video_ids == whole.video_ids[:3] and np.array_equal(short.scores, whole.scores[:3])
        for true in (own, set(sorted(own)[:1]), set()):
            for strict in (False, True):
                assert standing(short, true, 12, strict) == standing(whole, true, 12, strict)


def test_an_id_is_one_object_in_all_lists_of_a_file(tmp_path) -> None:
    """Lists of all videos for all sentences hold as many names as scores: each would take five times as much."""
    rows = [{"query_id": f"q{number}", "videos": [["a video", 1.0], ["another", 0.5]]} for number in range(3)]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lists = [answer.videos.video_ids for answer in read_predictions(path).by_id.values()]
    assert {id(video_id) for video_ids in lists for video_id in video_ids} == {id(name) for name in lists[0]}
