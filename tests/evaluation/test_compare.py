"""Two prediction files on one truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from coarse_to_fine.errors import ConfigError
from coarse_to_fine.evaluation.compare import compare, compare_predictions
from coarse_to_fine.evaluation.predictions import Predictions, predictions_in_memory, write_predictions
from tests.evaluation.random_collection import random_answer, random_truth
from tests.evaluation.test_evaluate import TRUTH
from tests.evaluation.test_readers import write


def pair(seed: int = 0) -> tuple[Predictions, Predictions]:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    a, b = ([random_answer(rng, truth, query) for query in truth.queries] for _ in range(2))
    return predictions_in_memory(a, "a"), predictions_in_memory(b, "b")


@pytest.mark.parametrize("task", ["moments", "corpus", "videos"])
def test_a_file_against_itself_changes_nothing(task: str) -> None:
    a, _ = pair()
    found = compare(task, random_truth(np.random.default_rng(0)), a, a, resamples=50)
    assert not found.won and not found.lost
    assert all(change.paired.difference == 0 and not change.paired.decided for change in found.changes)


def test_exchanging_the_files_turns_the_signs() -> None:
    truth = random_truth(np.random.default_rng(0))
    a, b = pair()
    forth, back = compare("moments", truth, a, b, resamples=50), compare("moments", truth, b, a, resamples=50)
    assert [c.paired.difference for c in forth.changes] == pytest.approx([-c.paired.difference for c in back.changes])
    assert {query.query_id for query in forth.won} == {query.query_id for query in back.lost}
    assert forth.won or forth.lost


def test_won_and_lost_queries_are_named(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.jsonl", *TRUTH)
    right, wrong = {"1": [[0, 10, 1.0]], "2": [[10, 20, 1.0]]}, [[18, 19, 1.0]]
    a = write(
        tmp_path / "a.jsonl", *({"qid": q, "pred_relevant_windows": right[q] if q == "1" else wrong} for q in right)
    )
    b = write(
        tmp_path / "b.jsonl", *({"qid": q, "pred_relevant_windows": right[q] if q == "2" else wrong} for q in right)
    )
    found = compare_predictions("moments", truth, a, b, resamples=20)
    assert [query.query_id for query in found.won] == ["2"] and [query.text for query in found.lost] == ["one"]
    document = json.loads(json.dumps(found.to_json()))
    assert document["metrics"]["R1@0.5"]["difference"] == 0.0
    assert found.to_table().row_count > 5


def test_an_unknown_deciding_metric_lists_the_known_ones() -> None:
    a, b = pair()
    with pytest.raises(ConfigError, match=r"R1@0\.5"):
        compare("moments", random_truth(np.random.default_rng(0)), a, b, deciding="R1@0.55")


def test_other_names_of_metrics_are_decided_by_the_first() -> None:
    a, b = pair()
    truth = random_truth(np.random.default_rng(0))
    found = compare(
        "corpus",
        truth.with_queries(query for query in truth.queries if len(query.windows) == 1),
        a,
        b,
        "tvr",
        missing="drop",
        resamples=20,
    )
    assert found.deciding == found.changes[0].name == "VCMR-0.5-r1"
    found = compare("moments", truth, a, b, resamples=20, thresholds=(0.7, 0.3))
    assert found.deciding == "R1@0.3"


def test_only_queries_that_both_answer_are_compared_by_request(tmp_path: Path) -> None:
    truth = random_truth(np.random.default_rng(0))
    a, b = pair()
    fewer = Predictions(dict(list(b.by_id.items())[5:]), "b")
    assert compare("moments", truth, a, fewer, missing="drop", resamples=20).queries == len(truth.queries) - 5
    assert compare("moments", truth, a, fewer, missing="miss", resamples=20).queries == len(truth.queries)
    write_predictions(tmp_path / "a.jsonl", a.by_id.values())
