"""Moments in a corpus: hand-worked ranks, monotonicity, and agreement with a slow, obvious second version."""

from __future__ import annotations

import numpy as np
import pytest

from coarse_to_fine.evaluation.alignment import align
from coarse_to_fine.evaluation.corpus import (
    CORPUS_RECALLS,
    best_overlaps,
    corpus_average_precision,
    first_moment_rank,
    first_video_rank,
    recall_at,
    tvr_moment_rank,
    tvr_video_rank,
)
from coarse_to_fine.evaluation.corpus_task import corpus_columns, moment_lists
from coarse_to_fine.evaluation.predictions import predictions_in_memory
from tests.evaluation.random_collection import random_answer, random_truth
from tests.evaluation.test_moment_retrieval import slow_iou

WINDOW = np.array([[0.0, 10.0]])


def values(seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    answers = predictions_in_memory(random_answer(rng, truth, query) for query in truth.queries)
    aligned = align(truth, answers)
    columns = corpus_columns(aligned, moment_lists(aligned), (0.3, 0.5, 0.7))
    return {column.name: column.value or 0.0 for column in columns}


@pytest.mark.parametrize("seed", range(8))
def test_recall_grows_with_k_falls_with_the_threshold_and_stays_below_the_video(seed: int) -> None:
    found = values(seed)
    for m in (0.3, 0.5, 0.7):
        by_k = [found[f"VCMR-R{k}@{m}"] for k in CORPUS_RECALLS]
        assert by_k == sorted(by_k)
        assert max(by_k) <= found["VR-listed"]
        # the first K moments show at most K videos
        assert all(value <= found[f"VR-R{k}"] for value, k in zip(by_k, CORPUS_RECALLS) if f"VR-R{k}" in found)
    for k in CORPUS_RECALLS:
        by_m = [found[f"VCMR-R{k}@{m}"] for m in (0.3, 0.5, 0.7)]
        assert by_m == sorted(by_m, reverse=True)


@pytest.mark.parametrize("seed", range(30))
def test_ranks_agree_with_the_slow_version(seed: int) -> None:
    rng = np.random.default_rng(seed)
    videos = [f"v{rng.integers(4)}" for _ in range(12)]
    spans = np.concatenate([np.sort(rng.integers(0, 9, (12, 2)), axis=1), rng.random((12, 1))], axis=1)
    answers = {"v0": np.array([[2.0, 6.0], [7.0, 8.0]]), "v2": np.array([[0.0, 5.0]])}

    def right(at: int, m: float) -> bool:
        return any(slow_iou(list(spans[at]), list(t)) >= m for t in answers.get(videos[at], ()))

    for m in (0.3, 0.5, 0.7):
        expected = next((at + 1 for at in range(12) if right(at, m)), 0)
        assert first_moment_rank(best_overlaps(videos, spans, answers), m) == expected
    seen: list[str] = []
    for video in videos:
        if video not in seen:
            seen.append(video)
    assert first_video_rank(videos, answers) == next((at + 1 for at, v in enumerate(seen) if v in answers), 0)


def test_a_wrong_video_never_counts_and_an_empty_list_is_a_miss() -> None:
    assert first_moment_rank(best_overlaps(["b", "a"], np.repeat(WINDOW, 2, 0), {"a": WINDOW}), 0.5) == 2
    assert first_moment_rank(best_overlaps([], np.zeros((0, 3)), {"a": WINDOW}), 0.5) == 0
    assert first_video_rank([], {"a": WINDOW}) == 0
    assert tvr_moment_rank([], np.zeros((0, 3)), "a", WINDOW, 0.5) == 0
    assert recall_at([0, 1, 3], 2).tolist() == [0.0, 1.0, 0.0]


def test_repeated_videos_waste_ranks_in_the_release_only() -> None:
    videos = ["b", "b", "b", "a"]
    assert first_video_rank(videos, {"a": WINDOW}) == 2
    assert tvr_video_rank(videos, "a") == 4


def test_four_annotators_ask_for_two_that_agree() -> None:
    span = np.array([[0.0, 10.0, 1.0]])
    alone = np.array([[0.0, 10.0], [50, 60], [70, 80], [90, 99]])
    pair = np.array([[0.0, 10.0], [0, 9], [70, 80], [90, 99]])
    assert tvr_moment_rank(["a"], span, "a", alone, 0.7) == 0
    assert tvr_moment_rank(["a"], span, "a", pair, 0.7) == 1
    assert tvr_moment_rank(["a"], span, "a", alone[:1], 0.7) == 1


def test_svmr_ranks_within_the_right_video_among_the_first_hundred_rows() -> None:
    spans = np.array([[0.0, 10.0, 1.0]] * 3)
    assert tvr_moment_rank(["b", "b", "a"], spans, "a", WINDOW, 0.5, within_video=True) == 1
    late = ["b"] * 100 + ["a"]
    assert tvr_moment_rank(late, np.repeat(spans[:1], 101, 0), "a", WINDOW, 0.5) == 0


def test_the_release_compares_in_float32() -> None:
    """A window a hair below the threshold counts there, and not in float64."""
    span = np.array([[0.0, 7.0 - 1e-8, 1.0]])
    assert tvr_moment_rank(["a"], span, "a", WINDOW, 0.7) == 1
    assert first_moment_rank(best_overlaps(["a"], span, {"a": WINDOW}), 0.7) == 0


def test_average_precision_takes_a_wrong_video_as_false_positive() -> None:
    answers = {"a": WINDOW, "c": WINDOW}
    spans = np.repeat(np.array([[0.0, 10.0, 1.0]]), 3, 0)
    assert corpus_average_precision(["b", "a", "c"], spans, answers)[0] == pytest.approx(2 / 3)
    assert corpus_average_precision(["a", "c", "b"], spans, answers)[0] == 1.0
    assert corpus_average_precision([], np.zeros((0, 3)), answers).tolist() == [0.0] * 10
