"""Our metrics print what the official tools print, to the last digit, on every recorded prediction file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coarse_to_fine.evaluation.columns import Column
from coarse_to_fine.evaluation.evaluate import evaluate, evaluate_predictions
from coarse_to_fine.evaluation.highlights import ranked_list_ap, tvsum_top5_ap
from coarse_to_fine.evaluation.predictions import Predictions, read_predictions
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.truth import read_truth
from tests.parity.cases import Case

TOLERANCE = 0.011


def report(case: Case, task: str = "moments", convention: str = "qvhighlights") -> Report:
    files = (case.folder / case.entry[name] for name in ("predictions", "truth"))
    return evaluate_predictions(task, *files, convention, resamples=0)


def assert_same(actual: Any, expected: Any, where: str = "") -> None:
    """Every number of the official document is ours."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert name in actual, f"{where}: {name} is missing"
            assert_same(actual[name], value, f"{where}/{name}")
    elif isinstance(expected, str):
        assert actual == expected, where
    else:
        assert actual == pytest.approx(expected, abs=TOLERANCE), where


@pytest.mark.parity("moment_metrics", "qvhighlights")
def test_qvhighlights_tool(case: Case) -> None:
    found = report(case).to_json()
    assert_same(found["official"], case.entry["expected"])
    assert found["metrics"]["MR-full-mAP"] == case.entry["expected"]["brief"]["MR-full-mAP"]


@pytest.mark.parity("moment_metrics", "qvhighlights")
def test_default_rules_agree_where_no_list_is_empty(case: Case) -> None:
    assert report(case, convention="default").official == report(case).official


@pytest.mark.parity("moment_metrics", "qvhighlights_empty")
def test_empty_lists_leave_the_official_mean_and_count_as_misses_in_ours(case: Case) -> None:
    expected = case.entry["expected"]
    official, ours = report(case), report(case, convention="default")
    assert_same(official.official["full"]["MR-mAP"], expected["official_mr_map"])
    assert expected["official_r1_error"] == "IndexError" and official.value("MR-full-R1@0.5") is None
    assert_same(ours.official["full"]["MR-mAP"], expected["ours_map"])
    assert ours.value("MR-full-R1@0.5") is not None
    assert any("empty lists" in warning for warning in ours.warnings)


@pytest.mark.parity("moment_metrics", "hl_ap")
def test_average_precision_of_one_list(case: Case) -> None:
    for item in case.entry["expected"]:
        positive = np.array(item["y_true"]) > 0
        assert ranked_list_ap(positive, np.array(item["y_score"], dtype=np.float64)) == pytest.approx(
            item["ap"], abs=1e-12
        )


@pytest.mark.parity("moment_metrics", "single_video")
def test_single_window_sets(case: Case) -> None:
    expected = case.entry["expected"]
    files = (case.folder / case.entry[name] for name in ("predictions", "truth"))
    found = evaluate_predictions("moments", *files, thresholds=case.entry["thresholds"], resamples=0)
    numbers = found.to_json()["metrics"]
    for n in (1, 5):
        assert_same({m: numbers[f"R{n}@{m}"] for m in expected[f"R{n}"]}, expected[f"R{n}"], f"R{n}")
    assert_same(numbers["mIoU"], expected["mIoU"])
    assert_same(numbers, expected["lighthouse_brief"])
    assert_same({m: numbers[f"R1@{m}"] for m in expected["lighthouse_r1"]}, expected["lighthouse_r1"])


@pytest.mark.parity("moment_metrics", "corpus")
def test_tvr_release(case: Case, tmp_path: Path) -> None:
    document = json.loads((case.folder / case.entry["file"]).read_text())
    submission, truth = tmp_path / "submission.json", tmp_path / "truth.jsonl"
    submission.write_text(json.dumps(document["submission"]))
    truth.write_text("".join(json.dumps(row) + "\n" for row in document["truth"]))
    found = evaluate_predictions("corpus", submission, truth, "tvr", resamples=0)
    assert_same(found.official, case.entry["expected"])
    assert found.to_json()["metrics"]["VCMR-0.5-r1"] == case.entry["expected"]["VCMR"]["0.5-r1"]


@pytest.mark.parity("moment_metrics", "tvsum_top5")
def test_tvsum(case: Case, tmp_path: Path) -> None:
    videos = json.loads((case.folder / case.entry["file"]).read_text())
    values = [
        tvsum_top5_ap(np.array(video["saliency"]), np.array(video["label"], dtype=np.float64)).mean()
        for video in videos
    ]
    assert round(float(np.mean(values)), 5) == case.entry["expected"]["mAP"]


@pytest.mark.parity("moment_metrics", "tvsum_top5")
def test_tvsum_by_the_highlight_task(case: Case, tmp_path: Path) -> None:
    videos = json.loads((case.folder / case.entry["file"]).read_text())
    rows = [{"qid": at, "vid": f"v{at}", "duration": 60, "label": video["label"]} for at, video in enumerate(videos)]
    answers = [{"qid": at, "pred_saliency_scores": video["saliency"]} for at, video in enumerate(videos)]
    for name, lines in (("truth", rows), ("answers", answers)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    predictions: Predictions = read_predictions(tmp_path / "answers.jsonl")
    found = evaluate("highlights", read_truth(tmp_path / "truth.jsonl"), predictions, resamples=0)
    value = found.value("HL-top5-mAP")
    assert value is not None
    assert round(value / 100, 5) == case.entry["expected"]["mAP"]


def test_a_column_prints_two_decimals() -> None:
    assert Column("x", np.array([1.0, 0.0, 0.0])).value == pytest.approx(33.3333, abs=1e-4)
