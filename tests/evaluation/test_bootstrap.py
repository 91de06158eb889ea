"""Intervals over videos: coverage, dependence of queries on their video, pairs."""

from __future__ import annotations

import numpy as np
import pytest

from coarse_to_fine.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap, resampled_means


def test_a_resample_takes_whole_videos() -> None:
    values = np.array([[1.0], [1.0], [0.0]])
    means = resampled_means(values, ["a", "a", "b"], 500)[:, 0]
    assert set(np.round(means, 6)) <= {0.0, 1.0, round(2 / 3, 6)}
    assert len(set(means)) == 3


def test_the_interval_agrees_with_resampling_by_hand() -> None:
    rng = np.random.default_rng(0)
    videos = [f"v{at}" for at in rng.integers(0, 30, 200)]
    values = rng.random(200)
    parts = [values[np.array(videos) == video] for video in dict.fromkeys(videos)]
    drawn = [np.concatenate([parts[at] for at in rng.integers(0, len(parts), len(parts))]).mean() for _ in range(3000)]
    interval = bootstrap_intervals(values[:, None], videos, 3000)[0]
    assert interval.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.005)
    assert interval.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.005)


def test_queries_of_one_video_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(1)
    per_video = (rng.random(20) < 0.5).astype(np.float64)
    once = bootstrap_intervals(per_video[:, None], [str(v) for v in range(20)])[0]
    copied = bootstrap_intervals(np.repeat(per_video, 50)[:, None], [str(v) for v in range(20) for _ in range(50)])[0]
    assert copied.low == pytest.approx(once.low) and copied.high == pytest.approx(once.high)


def test_ninety_five_percent_of_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    videos = [str(v) for v in range(60) for _ in range(3)]
    inside = 0
    for seed in range(150):
        values = np.repeat(rng.normal(0.5, 0.2, 60), 3) + rng.normal(0, 0.1, 180)
        inside += 0.5 in bootstrap_intervals(values[:, None], videos, 400, seed)[0]
    assert 0.88 <= inside / 150 <= 1.0


def test_queries_that_do_not_count_are_left_out() -> None:
    values = np.array([[1.0], [np.nan], [np.nan]])
    interval = bootstrap_intervals(values, ["a", "b", "c"], 200)[0]
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_a_pair_is_decided_where_single_intervals_overlap() -> None:
    rng = np.random.default_rng(3)
    a = rng.random(100)
    b = a + 0.02 + rng.normal(0, 0.01, 100)
    videos = [str(at) for at in range(100)]
    first, second = bootstrap_intervals(np.stack([a, b], axis=1), videos)
    paired = paired_bootstrap(a, b, videos)
    assert first.high > second.low
    assert paired.decided and paired.share_better == 1.0
    assert paired.difference == pytest.approx((b - a).mean())
    same = paired_bootstrap(a, a, videos)
    assert not same.decided and same.share_better == 0.5 and same.difference == 0.0


def test_the_seed_decides() -> None:
    values, videos = np.random.default_rng(4).random((50, 2)), [str(at % 10) for at in range(50)]
    assert bootstrap_intervals(values, videos, 100, 1) == bootstrap_intervals(values, videos, 100, 1)
    assert bootstrap_intervals(values, videos, 100, 1) != bootstrap_intervals(values, videos, 100, 2)
