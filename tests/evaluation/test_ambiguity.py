"""Sentences with several right videos: ceilings of real sets, and the lenient truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coarse_to_fine.datasets.leaks import source_video
from coarse_to_fine.evaluation.ambiguity import (
    lenient_truth,
    normalised_text,
    same_source_truth,
    shared_texts,
    strict_bound,
)
from coarse_to_fine.evaluation.chance import blind_overlap, span_prior
from coarse_to_fine.evaluation.truth import Truth, TruthQuery, read_truth


def window(start: float, end: float) -> np.ndarray:
    return np.array([[start, end]], dtype=np.float64)


TRUTH = Truth(
    (
        TruthQuery("1", "a", window(0, 5), "He runs."),
        TruthQuery("2", "b", window(1, 2), "he  RUNS"),
        TruthQuery("3", "b", window(7, 8), "he runs!"),
        TruthQuery("4", "c", window(3, 4), "she sits"),
    ),
    ("a", "b", "c"),
    {},
    "test",
    "hand",
)


def test_normalised_text_keeps_letters_only() -> None:
    assert normalised_text("  He RUNS, 2 times_over! ") == "he runs timesover"
    assert normalised_text("Ünï 視頻") == "ünï 視頻"


def test_the_bound_gives_one_video_to_one_text() -> None:
    assert strict_bound(TRUTH) == 3 / 4
    assert shared_texts(TRUTH).tolist() == [True, True, True, False]


def test_the_lenient_truth_takes_every_video_of_the_text_with_its_windows() -> None:
    first, second, third, last = lenient_truth(TRUTH).queries
    assert {video: windows.tolist() for video, windows in first.answers.items()} == {
        "a": [[0, 5]],
        "b": [[1, 2], [7, 8]],
    }
    assert second.answers.keys() == third.answers.keys() == {"a", "b"}
    assert second.windows.tolist() == [[1, 2], [7, 8]]
    assert list(last.answers) == ["c"]


def test_videos_of_one_source_are_right_for_the_coarse_stage() -> None:
    gallery = ("_-345678_0z_0.0_150.0", "_-345678_0z_150.0_300.0", "other678_0z_0.0_150.0")
    truth = Truth((TruthQuery("1", gallery[0], window(0, 5), "t"),), gallery, {}, "val", "hand")
    found = same_source_truth(truth, source_video).queries[0]
    assert list(found.answers) == [*gallery[:2]] and len(found.answers[gallery[1]]) == 0


@pytest.mark.parametrize(
    ("name", "bound", "shared"),
    [
        ("charades_sta/charades_sta_test.txt", 76.8, 32.6),
        ("tacos/test.json", 87.5, 20.6),
        ("tacos/val.json", 90.1, 16.4),
        ("qvhighlights/highlight_val_release.jsonl", 99.7, 0.5),
    ],
)
def test_ceilings_of_the_published_sets(name: str, bound: float, shared: float, data_dir: Path) -> None:
    truth = read_truth(data_dir / name)
    assert 100 * strict_bound(truth) == pytest.approx(bound, abs=0.051)
    assert 100 * shared_texts(truth).mean() == pytest.approx(shared, abs=0.051)


def test_random_spans_on_tacos(data_dir: Path) -> None:
    """Ten spans drawn from the training windows: 4.8 and 28.3 in the specification, with its own draw."""
    prior = span_prior(read_truth(data_dir / "tacos" / "train.json"))
    assert prior is not None
    blind = blind_overlap(read_truth(data_dir / "tacos" / "test.json").queries, prior)
    assert blind is not None
    assert blind.mean_best(1) == pytest.approx(4.8, abs=0.5)
    assert blind.mean_best(10) == pytest.approx(28.3, abs=1.5)
