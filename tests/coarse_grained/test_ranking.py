"""Order of candidates: against a slow sort, with ties, at the borders."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coarse_to_fine.coarse_grained.ranking import best_per_video, stable_top

SCORES = st.lists(st.lists(st.integers(-2, 2), min_size=6, max_size=6), min_size=1, max_size=4)


@given(SCORES, st.integers(0, 9))
def test_top_is_the_start_of_a_stable_sort(rows: list[list[int]], k: int):
    scores = torch.tensor(rows, dtype=torch.float32)
    top = stable_top(scores, k)
    expected = [sorted(range(6), key=lambda column: -row[column])[:k] for row in rows]
    assert top.indices.tolist() == expected
    assert torch.equal(top.scores, scores.gather(1, top.indices))


def test_equal_scores_at_the_border_keep_the_earlier_column():
    assert stable_top(torch.zeros(1, 5), 2).indices.tolist() == [[0, 1]]


@pytest.mark.parametrize(("k", "kept"), [(-1, 0), (0, 0), (3, 3), (10**6, 4)])
def test_any_k_is_answered(k: int, kept: int):
    assert stable_top(torch.rand(2, 4), k).indices.shape == (2, kept)


def test_no_texts_and_no_candidates_give_empty_lists():
    assert stable_top(torch.zeros(0, 4), 2).indices.shape == (0, 2)
    assert stable_top(torch.zeros(3, 0), 2).indices.shape == (3, 0)


@given(SCORES, st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_a_video_has_the_score_of_its_best_segment(rows: list[list[int]], owners: list[int]):
    best = best_per_video(torch.tensor(rows, dtype=torch.float32), torch.tensor(owners), 4)
    for row, found in zip(rows, best.tolist()):
        for video, score in enumerate(found):
            own = [value for value, owner in zip(row, owners) if owner == video]
            assert score == (max(own) if own else -torch.inf)


def test_a_row_with_scores_that_are_no_numbers_keeps_its_length():
    scores = torch.tensor([[1.0, torch.nan, 1.0, 1.0], [2.0, 2.0, 1.0, 3.0]])
    best = stable_top(scores, 3)
    assert best.indices[0, 0] == 1
    assert best.indices[1].tolist() == [3, 0, 1]
