"""Saliency metrics: hand-worked cases and agreement with a slow, obvious second version."""

from __future__ import annotations

import numpy as np
import pytest

from coarse_to_fine.evaluation.highlights import (
    highlight_ap,
    highlight_hit,
    ranked_list_ap,
    trapezoid_ap,
    tvsum_top5_ap,
    youtube_ap,
)


def slow_list_ap(positive: list[bool], scores: list[float]) -> float:
    if not any(positive):
        return 0.0
    if all(positive):
        return 1.0
    points = []
    for level in sorted(set(scores)):
        chosen = [good for good, score in zip(positive, scores) if score >= level]
        points.append((sum(chosen) / sum(positive), sum(chosen) / len(chosen)))
    levels = {recall for recall, _ in points if recall > 0}
    return sum(max(p for r, p in points if r >= level) for level in levels) / len(levels)


@pytest.mark.parametrize("seed", range(100))
def test_list_ap_agrees_with_the_slow_version(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 25))
    positive, scores = rng.random(count) < 0.4, rng.integers(-3, 4, count) / 2
    expected = slow_list_ap(positive.tolist(), scores.tolist())
    assert ranked_list_ap(positive, scores) == pytest.approx(expected, abs=1e-12)


def test_a_tied_level_counts_once() -> None:
    positive = np.array([True, True, True, False])
    assert ranked_list_ap(positive, np.array([1.0, 1.0, 1.0, 0.0])) == 1.0
    # two positives and the negative share the lower score: levels 1/3 (precision 1) and 1 (precision 3/4)
    assert ranked_list_ap(positive, np.array([2.0, 1.0, 1.0, 1.0])) == pytest.approx((1 + 0.75) / 2)


def test_a_constant_curve_scores_the_share_of_positives() -> None:
    assert ranked_list_ap(np.array([True, False, False, False]), np.zeros(4)) == 0.25


def test_hit_is_the_first_maximum_and_any_annotator() -> None:
    relevance = np.array([[0.0, 0, 0], [0, 4, 0], [4, 4, 4]])
    assert highlight_hit(np.array([-3.0, -1.0, -1.0]), relevance, 4) == 1.0
    assert highlight_hit(np.array([-1.0, -1.0, -1.0]), relevance, 4) == 0.0
    assert highlight_hit(np.array([0.0, 1.0, 0.0]), relevance, 5) == 0.0


def test_a_maximum_beyond_the_video_and_an_empty_curve_are_misses() -> None:
    relevance = np.full((2, 3), 4.0)
    assert highlight_hit(np.array([0.0, 0.0, 9.0]), relevance, 2) == 0.0
    assert highlight_hit(np.zeros(0), relevance, 2) == 0.0


def test_a_short_curve_is_padded_with_zero_which_beats_negative_scores() -> None:
    relevance = np.array([[4.0], [0], [0], [0]])
    assert highlight_ap(np.array([-1.0]), relevance, 4)[0] == 0.25
    assert highlight_ap(np.array([1.0]), relevance, 4)[0] == 1.0


def test_tvsum_counts_labels_above_the_lower_median_in_the_first_five() -> None:
    labels = np.array([[1.0], [2], [3], [4], [1], [1]])
    saliency = np.array([0.0, 1, 5, 4, 3, 2])
    # lower median 1, so the clips of label 2, 3, 4 are positive; the five best clips hold +, +, -, -, +
    assert tvsum_top5_ap(saliency, labels)[0] == pytest.approx(trapezoid_ap(np.array([True, True, False, False, True])))
    assert tvsum_top5_ap(saliency, np.ones((6, 1)))[0] == 0.0


def test_trapezoid_by_hand() -> None:
    assert trapezoid_ap(np.array([True, False])) == 1.0
    assert trapezoid_ap(np.array([False, True])) == pytest.approx((0 + 0.5) / 2)
    assert trapezoid_ap(np.array([False, False])) == 0.0


def test_youtube_reads_the_whole_list_in_stable_order() -> None:
    positive = np.array([False, True, True])
    assert youtube_ap(np.array([0.0, 1.0, 1.0, 9.0]), positive) == 1.0
    assert youtube_ap(np.zeros(3), positive) < 1.0
