"""Nearly equal sets of words, against a comparison of every pair."""

from __future__ import annotations

import random

import numpy as np
import pytest

from coarse_to_fine.data_generation.tacos_cg import near
from coarse_to_fine.data_generation.tacos_cg.words import jaccard


def every_pair(sets, owners, asked, least):
    found = []
    for one in asked:
        similar = [jaccard(sets[one], other) * (owners[one] != owner) for other, owner in zip(sets, owners)]
        found.append(similar.index(max(similar)) if max(similar) >= least else -1)
    return found


@pytest.mark.parametrize("most_pairs", [0, near.MOST_PAIRS])
@pytest.mark.parametrize("least", [0.2, 0.6, 1.0])
@pytest.mark.parametrize("words", [3, 8, 40])
def test_the_nearest_set_of_others_is_that_of_a_comparison_of_every_pair(words, least, most_pairs, monkeypatch):
    monkeypatch.setattr(near, "MOST_PAIRS", most_pairs)
    monkeypatch.setattr(near, "BLOCK", 7)
    chosen = random.Random(words)
    sets = [set(chosen.choices([f"w{at}" for at in range(words)], k=chosen.randrange(9))) for _ in range(60)]
    owners = np.array([chosen.randrange(12) for _ in sets])
    asked = np.array(sorted(chosen.sample(range(60), 40)))
    steps = []
    found = near.nearest_of_others(sets, owners, asked, least, lambda done, total: steps.append((done, total)))
    assert found.tolist() == every_pair(sets, owners, asked, least)
    assert steps == [(done, 40) for done in (7, 14, 21, 28, 35, 40)]
    assert words > 8 or (found >= 0).any()


def test_sets_without_words_are_near_to_nothing():
    found = near.nearest_of_others([set(), set()], np.array([0, 1]), np.array([0, 1]), 0.6)
    assert found.tolist() == [-1, -1]
