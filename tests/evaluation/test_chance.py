"""Chance lines: exact expectations agree with drawing."""

from __future__ import annotations

import numpy as np
import pytest

from coarse_to_fine.evaluation.chance import (
    best_constant_span,
    blind_overlap,
    constant_span_iou,
    span_prior,
)
from coarse_to_fine.evaluation.truth import TruthQuery
from tests.evaluation.random_collection import random_truth


def test_expectations_agree_with_drawing() -> None:
    rng = np.random.default_rng(0)
    prior = span_prior(random_truth(rng, queries=40))
    queries = random_truth(rng, queries=10).queries
    assert prior is not None
    blind = blind_overlap(queries, prior)
    assert blind is not None
    draws = blind.iou[:, rng.integers(0, blind.iou.shape[1], (4000, 5))]
    assert blind.mean_best(5) == pytest.approx(100 * draws.max(axis=2).mean(), abs=0.7)
    assert blind.mean_best(1) == pytest.approx(100 * blind.iou.mean())
    assert blind.recall(5, 0.5) == pytest.approx(100 * (draws >= 0.5).any(axis=2).mean(), abs=0.7)


def test_more_draws_find_more_and_a_larger_gallery_less() -> None:
    rng = np.random.default_rng(1)
    prior = span_prior(random_truth(rng))
    assert prior is not None
    blind = blind_overlap(random_truth(rng).queries, prior)
    assert blind is not None
    assert blind.recall(1, 0.5) <= blind.recall(5, 0.5) <= blind.recall(100, 0.5)
    assert blind.recall(1, 0.5, 1 / 100) == pytest.approx(blind.recall(1, 0.5) / 100)


def test_the_blind_predictor_finds_moments_that_always_lie_in_one_place() -> None:
    queries = [TruthQuery(str(d), "v", np.array([[0.25 * d, 0.5 * d]]), "t", d) for d in (20.0, 40.0, 100.0)]
    truth = random_truth(np.random.default_rng(0)).with_queries(queries)
    prior = span_prior(truth)
    assert prior is not None
    assert best_constant_span(prior) == (0.25, 0.5)
    np.testing.assert_allclose(constant_span_iou(queries, (0.25, 0.5)), 1.0)


def test_without_durations_there_are_no_chance_lines() -> None:
    bare = [TruthQuery("q", "v", np.array([[0.0, 1.0]]))]
    truth = random_truth(np.random.default_rng(0))
    prior = span_prior(truth)
    assert span_prior(truth.with_queries(bare)) is None
    assert prior is not None and blind_overlap(bare, prior) is None
    assert np.isnan(constant_span_iou(bare, (0.0, 1.0))).all()
