"""What must not change a result: the order of queries and of the gallery, a shift of scores, the form of ids."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coarse_to_fine.evaluation.evaluate import evaluate, evaluate_predictions
from coarse_to_fine.evaluation.moment_retrieval import average_precision, best_iou_of_first, sorted_by_score
from coarse_to_fine.evaluation.predictions import (
    Predictions,
    QueryPrediction,
    RankedMoments,
    RankedVideos,
    predictions_in_memory,
)
from coarse_to_fine.evaluation.truth import Truth
from tests.evaluation.random_collection import random_answer, random_truth
from tests.evaluation.test_readers import write

TASKS = ("moments", "videos", "corpus")


def collection(seed: int) -> tuple[Truth, list[QueryPrediction]]:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    return truth, [random_answer(rng, truth, query) for query in truth.queries]


def numbers(truth: Truth, answers: list[QueryPrediction]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for task in TASKS:
        report = evaluate(task, truth, predictions_in_memory(answers), resamples=0)
        found.update({f"{task} {name}": value for name, value in report.to_json()["metrics"].items()})
    return found


def shifted(answer: QueryPrediction, by: float) -> QueryPrediction:
    assert answer.windows is not None and answer.videos is not None and answer.moments is not None
    step = np.array([0.0, 0.0, by])
    return replace(
        answer,
        windows=answer.windows + step,
        videos=RankedVideos(answer.videos.video_ids, answer.videos.scores + by),
        moments=RankedMoments(answer.moments.video_ids, answer.moments.spans + step),
    )


def test_the_order_of_queries_answers_and_gallery_does_not_matter() -> None:
    truth, answers = collection(0)
    order = np.random.default_rng(1).permutation(len(answers))
    mixed = replace(truth.with_queries(truth.queries[at] for at in order), gallery=truth.gallery[::-1])
    assert numbers(mixed, [answers[at] for at in order[::-1]]) == numbers(truth, answers)


def test_shifting_all_scores_does_not_matter() -> None:
    truth, answers = collection(2)
    for by in (-8.0, 0.5, 64.0):
        assert numbers(truth, [shifted(answer, by) for answer in answers]) == numbers(truth, answers)


def test_an_added_wrong_video_at_the_end_of_a_list_changes_chance_only() -> None:
    truth, answers = collection(3)
    longer = []
    for answer in answers:
        assert answer.videos is not None
        last = float(answer.videos.scores.min()) - 1
        videos = RankedVideos((*answer.videos.video_ids, "extra"), np.append(answer.videos.scores, last))
        longer.append(replace(answer, videos=videos))
    assert numbers(truth, longer)["videos R@5"] == numbers(truth, answers)["videos R@5"]


def test_numbers_and_text_are_one_id(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "t.jsonl", {"qid": 7, "vid": "a", "query": "q", "duration": 9, "relevant_windows": [[0, 4]]}
    )
    for qid in (7, "7"):
        path = write(tmp_path / "p.jsonl", {"qid": qid, "pred_relevant_windows": [[0, 4, 1]]})
        assert evaluate_predictions("moments", path, truth, resamples=0).value("R1@0.7") == 100.0


def test_an_absent_answer_is_zero_for_highlights_and_an_empty_curve_is_padded(tmp_path: Path) -> None:
    row = {"vid": "a", "query": "q", "duration": 8, "relevant_windows": [[0, 2]], "relevant_clip_ids": [0]}
    rows = [{**row, "qid": at, "saliency_scores": [[4, 4, 4]]} for at in (1, 2)]
    truth = write(tmp_path / "t.jsonl", *rows)
    path = write(tmp_path / "p.jsonl", {"qid": 1, "pred_saliency_scores": []})
    report = evaluate_predictions("highlights", path, truth, missing="miss", resamples=0)
    assert report.value("HL-min-VeryGood-mAP") == 100 * (0.25 + 0) / 2
    assert json.loads(json.dumps(report.to_json()))["metrics"]["HL-min-VeryGood-Hit1"] == 0.0


windows = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=5)
scored = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(-3, 3)), max_size=12)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(windows, scored)
def test_values_stay_between_zero_and_one_and_a_perfect_list_scores_one(
    true: list[tuple[int, int]], found: list[tuple[int, int, int]]
) -> None:
    spans = np.array([(start, start + length) for start, length in true], dtype=np.float64)
    predicted = np.array([(s, s + n, c) for s, n, c in found], dtype=np.float64).reshape(-1, 3)
    ap = average_precision(predicted, spans)
    assert ((ap >= 0) & (ap <= 1)).all()
    best = best_iou_of_first(sorted_by_score(predicted), spans, (1, 2, 5, 10))
    assert (np.diff(best) >= 0).all() and 0 <= best[0] <= best[-1] <= 1
    # a perfect list of the true windows has AP 1 whatever the order of equal scores
    perfect = np.concatenate([spans, np.ones((len(spans), 1))], axis=1)
    assert average_precision(perfect, spans).tolist() == [1.0] * 10


def test_predictions_in_memory_equal_predictions_of_a_file(tmp_path: Path) -> None:
    from coarse_to_fine.evaluation.predictions import read_predictions, write_predictions

    truth, answers = collection(5)
    write_predictions(tmp_path / "p.jsonl", answers)
    read: Predictions = read_predictions(tmp_path / "p.jsonl")
    assert numbers(truth, list(read.by_id.values())) == numbers(truth, answers)
