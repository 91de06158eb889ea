"""Spans into windows."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coarse_to_fine.fine_grained.postprocess import (
    moment_output,
    official_nms,
    official_postprocess,
    official_rounding,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.floats(0.05, 700.0), st.integers(1, 10))
def test_windows_lie_inside_the_video_for_any_prediction(seed: int, duration_s: float, queries: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(queries, 2, generator=generator)
    spans = torch.rand(queries, 2, generator=generator)
    output = moment_output(logits, spans, torch.zeros(1), duration_s)
    start, end = output.windows_s.unbind(1)
    assert bool((start >= 0).all() and (start < end).all())
    assert bool((end <= torch.tensor(duration_s)).all())
    assert output.scores.tolist() == sorted(output.scores.tolist(), reverse=True)


def test_windows_of_no_length_are_dropped() -> None:
    spans = torch.tensor([[0.5, 0.0], [0.5, 0.2], [1.0, 0.0], [0.0, 1e-9]])
    output = moment_output(torch.zeros(4, 2), spans, torch.zeros(1), 10.0)
    torch.testing.assert_close(output.windows_s, torch.tensor([[4.0, 6.0]]))


def test_equal_scores_keep_the_order_of_the_queries() -> None:
    spans = torch.tensor([[0.2, 0.1], [0.8, 0.1], [0.5, 0.1]])
    output = moment_output(torch.zeros(3, 2), spans, torch.zeros(1), 10.0)
    assert output.windows_s[:, 0].tolist() == sorted(output.windows_s[:, 0].tolist(), key=[1.5, 7.5, 4.5].index)


def test_official_rounding_is_half_to_even_and_may_collapse() -> None:
    assert official_rounding([[1.0, 3.0, 0.5], [3.1, 3.3, 0.4], [149.0, 170.0, 0.3]]) == [
        [0.0, 4.0, 0.5],
        [4.0, 4.0, 0.4],
        [148.0, 150.0, 0.3],
    ]
    assert official_rounding([[-3.2, 999.0, 0.5]], clip_seconds=2.0, max_s=None) == [[-4.0, 1000.0, 0.5]]
    assert official_rounding([]) == []


def test_official_suppression_returns_one_row_as_it_is() -> None:
    assert official_nms([[5.0, 5.0, 0.1]], 0.5) == [[5.0, 5.0, 0.1]]
    assert official_nms([], 0.5) == []


def test_each_set_has_the_post_processing_of_its_release() -> None:
    rows = [[3.2, 160.7, 0.91], [3.0, 158.9, 0.8], [40.0, 45.00004, 0.1]]
    assert official_postprocess(rows, "qvhighlights") == [[4.0, 150.0, 0.91], [4.0, 150.0, 0.8], [40.0, 44.0, 0.1]]
    assert official_postprocess(rows, "tacos")[0] == [4.0, 160.0, 0.91]
    assert official_postprocess(rows, "mesm-tacos")[0] == [3.2, 160.7, 0.91]
    assert official_postprocess(rows, "charades", nms=0.7) == [[3.0, 150.0, 0.91], [40.0, 45.0, 0.1]]
    assert official_postprocess([], "activitynet") == []
