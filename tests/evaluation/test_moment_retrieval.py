"""Moments inside a given video: hand-worked cases and agreement with a slow, obvious second version."""

from __future__ import annotations

import numpy as np
import pytest

from coarse_to_fine.evaluation.moment_retrieval import (
    AP_THRESHOLDS,
    LENGTH_RANGES,
    average_precision,
    best_iou_of_first,
    first_window_iou,
    sorted_by_score,
)
from coarse_to_fine.evaluation.overlap import hull_iou, intersection_over_union

NONE = np.zeros((0, 3))


def rows(*values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def slow_iou(a: list[float], b: list[float]) -> float:
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - inter
    return inter / union if union > 0 and inter > 0 else 0.0


def slow_average_precision(predictions: np.ndarray, true: np.ndarray, threshold: float) -> float:
    """The matching and the interpolation word by word, without numpy."""
    first = [list(row) for row in predictions[:10]]
    ranked = [row for _, row in sorted(enumerate(first), key=lambda item: (-item[1][2], item[0]))]
    free, hits = set(range(len(true))), []
    for row in ranked:
        by_iou = sorted(range(len(true)), key=lambda t: (slow_iou(row, list(true[t])), t), reverse=True)
        found = next((t for t in by_iou if t in free and slow_iou(row, list(true[t])) >= threshold), None)
        hits.append(found is not None)
        free.discard(-1 if found is None else found)
    total, before = 0.0, 0.0
    for n in range(1, len(hits) + 1):
        recall = sum(hits[:n]) / len(true)
        best = max(sum(hits[:m]) / m for m in range(n, len(hits) + 1))
        total += (recall - before) * best
        before = recall
    return total


def random_lists(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows on a coarse grid, so that equal IoUs, equal scores and duplicates are common."""
    rng = np.random.default_rng(seed)

    def windows(count: int) -> np.ndarray:
        return np.sort(rng.integers(0, 8, (count, 2)), axis=1).astype(np.float64)

    scores = rng.integers(-2, 3, (int(rng.integers(0, 14)), 1)) / 2
    true = windows(int(rng.integers(1, 5)))
    true[:, 1] += 1
    return np.concatenate([windows(len(scores)), scores], axis=1), true


@pytest.mark.parametrize("seed", range(150))
def test_average_precision_agrees_with_the_slow_version(seed: int) -> None:
    predictions, true = random_lists(seed)
    expected = [slow_average_precision(predictions, true, m) for m in AP_THRESHOLDS]
    np.testing.assert_allclose(average_precision(predictions, true), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_recall_agrees_with_the_slow_version(seed: int) -> None:
    predictions, true = random_lists(seed)
    ranked = sorted_by_score(predictions)
    for n in (1, 3, 5, 20):
        expected = max((slow_iou(list(p), list(t)) for p in ranked[:n] for t in true), default=0.0)
        assert best_iou_of_first(ranked, true, (n,))[0] == pytest.approx(expected, abs=1e-12)


def test_an_empty_list_is_a_miss() -> None:
    true = rows((0, 10))
    assert average_precision(NONE, true).tolist() == [0.0] * 10
    assert first_window_iou(NONE, true) == 0.0
    assert best_iou_of_first(NONE, true, (1, 5)).tolist() == [0.0, 0.0]


def test_a_duplicate_prediction_is_a_false_positive() -> None:
    true = rows((0, 10), (20, 30))
    once = average_precision(rows((0, 10, 0.9), (20, 30, 0.8)), true)
    twice = average_precision(rows((0, 10, 0.9), (0, 10, 0.85), (20, 30, 0.8)), true)
    assert once[0] == 1.0
    assert twice[0] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_duplicate_true_windows_need_a_prediction_each() -> None:
    true = rows((0, 10), (0, 10))
    assert average_precision(rows((0, 10, 1.0)), true)[0] == 0.5
    assert average_precision(rows((0, 10, 1.0), (0, 10, 0.5)), true)[0] == 1.0


def test_equal_scores_keep_the_order_of_the_list() -> None:
    true = rows((0, 10))
    assert average_precision(rows((0, 10, 0.5), (50, 60, 0.5)), true)[0] == 1.0
    assert average_precision(rows((50, 60, 0.5), (0, 10, 0.5)), true)[0] == 0.5


@pytest.mark.parametrize("shift", [-5.0, -0.9, 0.0, 3.0])
def test_zero_and_negative_scores_only_order(shift: float) -> None:
    predictions, true = rows((0, 10, 0.9), (30, 40, 0.1), (20, 30, 0.0)), rows((20, 30), (0, 9))
    moved = predictions + np.array([0.0, 0.0, shift])
    np.testing.assert_array_equal(average_precision(moved, true), average_precision(predictions, true))


def test_only_the_first_ten_rows_of_a_list_count() -> None:
    wrong = [(50.0, 60.0, 0.1)] * 10
    true = rows((0, 10))
    assert average_precision(rows(*wrong, (0, 10, 1.0)), true)[0] == 0.0
    assert average_precision(rows(*wrong[:9], (0, 10, 1.0)), true)[0] == 1.0


def test_k_beyond_the_list_uses_the_list_and_k_zero_finds_nothing() -> None:
    found = best_iou_of_first(rows((0, 5, 1.0), (0, 10, 0.5)), rows((0, 10)), (0, 1, 2, 100))
    assert found.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_the_first_row_decides_r1_whatever_its_score() -> None:
    predictions = rows((50, 60, 0.1), (0, 10, 0.9))
    assert first_window_iou(predictions, rows((0, 10))) == 0.0
    assert first_window_iou(sorted_by_score(predictions), rows((0, 10))) == 1.0


def test_iou_at_the_threshold_counts() -> None:
    assert average_precision(rows((0, 5, 1.0)), rows((0, 10)))[0] == 1.0


def test_length_splits_are_open_left_and_closed_right() -> None:
    windows = rows((0, 10), (0, 10.5), (0, 30), (0, 30.5), (0, 150), (0, 151), (5, 5))
    lengths = {each.name: (each.keep(windows)[:, 1] - each.keep(windows)[:, 0]).tolist() for each in LENGTH_RANGES}
    assert lengths["short"] == [10.0]
    assert lengths["middle"] == [10.5, 30.0]
    assert lengths["long"] == [30.5, 150.0]
    assert len(lengths["full"]) == len(windows)


def test_overlaps_are_symmetric_bounded_and_zero_for_empty_windows() -> None:
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.integers(0, 9, (40, 2)).astype(np.float64), axis=1) for _ in range(2))
    iou = intersection_over_union(a, b)
    np.testing.assert_array_equal(iou, intersection_over_union(b, a).T)
    assert iou.min() == 0.0 and iou.max() == 1.0
    assert not iou[a[:, 0] == a[:, 1]].any()
    overlapping = iou > 0
    np.testing.assert_allclose(hull_iou(a, b)[overlapping], iou[overlapping])
    assert intersection_over_union(rows((8, 2)), rows((0, 10)))[0, 0] == 0.0
