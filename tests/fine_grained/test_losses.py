"""Losses where the releases overflow or divide by zero, and matching."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coarse_to_fine.fine_grained.losses import (
    giou_loss,
    label_loss,
    matched_spans,
    negative_pair_loss,
    saliency_margin_loss,
    saliency_rank_loss,
    span_loss,
)
from coarse_to_fine.fine_grained.matching import CostWeights, match, match_cost


def test_negative_loss_is_finite_for_large_scores() -> None:
    scores = torch.tensor([[50.0, 1e4, -50.0]], requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    loss = negative_pair_loss(scores, mask)
    assert float(loss.detach()) == pytest.approx(50.0)
    loss.backward()
    assert scores.grad is not None
    torch.testing.assert_close(scores.grad, torch.tensor([[1.0, 0.0, 0.0]]))


def test_negative_loss_is_the_released_formula_where_that_is_finite() -> None:
    scores, mask = torch.randn(3, 5), torch.rand(3, 5) > 0.3
    expected = (-(torch.log(1.0 - torch.sigmoid(scores))) * mask).sum(1).mean()
    torch.testing.assert_close(negative_pair_loss(scores, mask), expected)


def test_losses_of_no_pairs_are_zero_with_a_gradient() -> None:
    logits, spans = torch.randn(2, 4, 2, requires_grad=True), torch.rand(2, 4, 2, requires_grad=True)
    targets = [torch.zeros(0, 2), torch.zeros(0, 2)]
    matches = match(logits, spans, targets)
    predicted, truth = matched_spans(spans, targets, matches)
    loss = span_loss(predicted, truth) + giou_loss(predicted, truth) + label_loss(logits, matches)
    loss.backward()
    assert float(span_loss(predicted, truth).detach()) == 0.0
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())


def test_zero_width_windows_give_finite_losses() -> None:
    spans = torch.tensor([[0.5, 0.0]], requires_grad=True)
    loss = giou_loss(spans, torch.tensor([[0.5, 0.0]]))
    loss.backward()
    assert spans.grad is not None and bool(torch.isfinite(spans.grad).all() and torch.isfinite(loss.detach()))


def test_a_prediction_that_is_not_finite_is_matched_last_and_shows_in_the_loss() -> None:
    logits, spans = torch.zeros(2, 3, 2), torch.rand(2, 3, 2)
    targets = [torch.rand(1, 2), torch.rand(3, 2)]
    spans[:, 0, 0] = float("nan")
    found = match(logits, spans, targets)
    assert found.sample.tolist() == [0, 1, 1, 1]
    assert int(found.query[0]) != 0
    assert not bool(torch.isfinite(span_loss(*matched_spans(spans, targets, found))))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
def test_matching_is_the_cheapest_assignment(queries: int, windows: int, seed: int) -> None:
    from itertools import permutations

    windows = min(windows, queries)
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, queries, 2, generator=generator)
    spans = torch.rand(1, queries, 2, generator=generator)
    target = torch.rand(windows, 2, generator=generator)
    found = match(logits, spans, [target])
    cost = match_cost(logits[0], spans[0], target, CostWeights())
    best = min(sum(float(cost[q, g]) for g, q in enumerate(chosen)) for chosen in permutations(range(queries), windows))
    assert sorted(found.target.tolist()) == list(range(windows))
    assert float(cost[found.query, found.target].sum()) == pytest.approx(best, abs=1e-4)


def test_rank_loss_prefers_clips_inside() -> None:
    labels, mask = torch.tensor([[0.0, 1.0, 1.0, 0.0]]), torch.ones(1, 4, dtype=torch.bool)
    foreign = torch.zeros(1, 4)
    right = saliency_rank_loss(torch.tensor([[0.0, 2.0, 2.0, 0.0]]), foreign, labels, mask)
    wrong = saliency_rank_loss(torch.tensor([[2.0, 0.0, 0.0, 2.0]]), foreign, labels, mask)
    assert float(right) < float(wrong)


def test_rank_loss_without_any_positive_is_zero() -> None:
    scores = torch.randn(2, 3)
    mask = torch.ones(2, 3, dtype=torch.bool)
    assert float(saliency_rank_loss(scores, scores, torch.zeros(2, 3), mask)) == 0.0


def test_padding_does_not_change_the_saliency_losses() -> None:
    scores, foreign, labels = torch.randn(2, 4), torch.randn(2, 4), torch.randint(0, 3, (2, 4)).float()
    mask = torch.ones(2, 4, dtype=torch.bool)
    padded = [torch.nn.functional.pad(part, (0, 3), value=7.0) for part in (scores, foreign)]
    wide_labels, wide_mask = torch.nn.functional.pad(labels, (0, 3)), torch.nn.functional.pad(mask, (0, 3))
    torch.testing.assert_close(
        saliency_rank_loss(scores, foreign, labels, mask), saliency_rank_loss(*padded, wide_labels, wide_mask)
    )
    torch.testing.assert_close(negative_pair_loss(foreign, mask), negative_pair_loss(padded[1], wide_mask))


def test_margin_loss_of_a_pair_with_itself_is_the_constant_margin() -> None:
    scores = torch.randn(1, 5, requires_grad=True)
    loss = saliency_margin_loss(scores, torch.tensor([[1, 2]]), torch.tensor([[1, 2]]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.4)
    assert scores.grad is not None and not scores.grad.any()
