"""Metrics of video ranking against a slow, obvious version and hand-worked cases."""

from __future__ import annotations

import itertools
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from coarse_to_fine.errors import DataError, UserError
from coarse_to_fine.evaluation.video_retrieval import (
    dual_softmax,
    text_to_video,
    true_ranks,
    video_to_text,
)

RECALLS = (1, 2, 3)
TIED_SCORES = st.lists(st.lists(st.integers(-2, 2), min_size=4, max_size=4), min_size=1, max_size=3)


def slow_recall(row: list[int], truth: set[int], k: int) -> float:
    """Share of all orders compatible with the scores in which the best true video is among the first k."""
    best = max(row[video] for video in truth)
    contestants = [video for video in range(len(row)) if video not in truth]
    level = [video for video in contestants if row[video] == best]
    above = sum(row[video] > best for video in contestants)
    orders = list(itertools.permutations([-1, *level]))
    return sum(above + order.index(-1) + 1 <= k for order in orders) / len(orders)


@given(TIED_SCORES, st.lists(st.sets(st.integers(0, 3), min_size=1, max_size=2), min_size=3, max_size=3))
def test_expected_recall_is_the_mean_over_all_orders_of_tied_videos(rows: list[list[int]], sets: list[set[int]]):
    truth = torch.tensor([[video in own for video in range(4)] for own in sets[: len(rows)]])
    metrics = text_to_video(torch.tensor(rows, dtype=torch.float32), truth, RECALLS)
    for k in RECALLS:
        expected = statistics.fmean(slow_recall(row, own, k) for row, own in zip(rows, sets))
        assert metrics.recall[k] == pytest.approx(100 * expected)


@given(TIED_SCORES, st.integers(0, 3))
def test_recall_grows_with_k_and_ranks_stay_within_the_gallery(rows: list[list[int]], video: int):
    scores, truth = torch.tensor(rows, dtype=torch.float32), torch.full((len(rows),), video)
    metrics = text_to_video(scores, truth, (1, 2, 3, 4, 99))
    recalls = list(metrics.recall.values())
    assert recalls == sorted(recalls)
    assert recalls[-2:] == [100.0, 100.0]
    assert bool(((true_ranks(scores, truth) >= 1) & (true_ranks(scores, truth) <= 4)).all())


@given(TIED_SCORES, st.floats(-3, 3))
def test_adding_a_constant_to_a_row_changes_nothing(rows: list[list[int]], shift: float):
    scores, truth = torch.tensor(rows, dtype=torch.float64), torch.zeros(len(rows), dtype=torch.int64)
    assert text_to_video(scores, truth) == text_to_video(scores + round(shift * 8) / 8, truth)


def test_a_constant_scorer_gets_chance_by_default_and_100_by_the_rule_of_the_release():
    scores, truth = torch.zeros(10, 10), torch.arange(10)
    expected = text_to_video(scores, truth, (1, 5))
    assert expected.recall == pytest.approx({1: 10.0, 5: 50.0})
    assert expected.chance() == {"R@1": 10.0, "R@5": 50.0}
    assert expected.median_rank == expected.mean_rank == 5.5
    assert text_to_video(scores, truth, (1,), "t-mass").recall == {1: 100.0}


def test_hand_worked_case_with_zero_and_negative_scores():
    scores = torch.tensor([[0.0, -1.0, -2.0], [0.0, -1.0, 0.5], [-3.0, -0.5, -0.5]])
    metrics = text_to_video(scores, torch.tensor([0, 1, 2]), (0, 1, 2, 5))
    # ranks 1, 3 and 1.5 (level with one other)
    assert metrics.recall == pytest.approx({0: 0.0, 1: 50.0, 2: 200 / 3, 5: 100.0})
    assert metrics.median_rank == 1.5
    assert metrics.mean_rank == pytest.approx(5.5 / 3)
    assert metrics.mrr == pytest.approx((1 + 1 / 3 + 1 / 1.5) / 3)
    assert (metrics.queries, metrics.candidates) == (3, 3)
    assert set(metrics.as_dict()) == {"R@0", "R@1", "R@2", "R@5", "MedR", "MeanR", "MRR"}


def test_several_texts_and_videos_of_other_number():
    scores = torch.eye(11)[[3, 0, 5, 5, 10, 1, 2]]
    assert text_to_video(scores, torch.tensor([3, 0, 5, 5, 10, 1, 2]), (1,)).recall == {1: 100.0}


def test_a_video_is_found_by_the_best_of_its_captions_and_needs_one_to_ask():
    owner = torch.tensor([0, 0, 2])
    scores = torch.tensor([[0.1, 0.0, 0.3], [0.9, 0.0, 0.2], [0.5, 0.0, 0.1]])
    metrics = video_to_text(scores, owner, (1, 2))
    # video 0: captions of 0 reach 0.9, of 2 reach 0.5; video 2: captions of 0 reach 0.3, its own 0.1
    assert metrics.recall == {1: 50.0, 2: 100.0}
    assert (metrics.queries, metrics.candidates) == (2, 2)


def test_order_of_texts_and_of_videos_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    scores, owner = torch.randn(12, 5, generator=generator), torch.arange(12) % 5
    texts, videos = torch.randperm(12, generator=generator), torch.randperm(5, generator=generator)
    place = torch.argsort(videos)
    for metric in (text_to_video, video_to_text):
        moved = metric(scores[texts][:, videos], place[owner[texts]])
        assert moved.as_dict() == pytest.approx(metric(scores, owner).as_dict())


def test_dual_softmax_prefers_the_text_that_likes_a_video_most():
    scores = torch.tensor([[0.5, 0.4], [0.9, 0.1]])
    assert dual_softmax(scores)[0].argmax() == 1


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), "scores have shape"),
        (torch.zeros(2, 3), torch.tensor([0]), "1,.* true videos for 2 texts"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), "text 1 has the true video 3"),
        (torch.zeros(2, 3), torch.tensor([[True, False, False], [False] * 3]), "text 1 has no true video"),
        (torch.tensor([[0.0, float("nan")]]), torch.tensor([0]), "text 0 hold NaN"),
    ],
)
def test_unusable_input_is_named(scores: Tensor, truth: Tensor, message: str):
    with pytest.raises(DataError, match=message):
        text_to_video(scores, truth)


def test_an_unknown_convention_is_refused():
    with pytest.raises(UserError, match="'expected' or 't-mass'"):
        text_to_video(torch.zeros(1, 1), torch.tensor([0]), convention="best")  # type: ignore[arg-type]
