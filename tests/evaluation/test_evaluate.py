"""Evaluating files: misses, absent and unknown queries, conventions by name, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coarse_to_fine.errors import ConfigError, DataError, UserError
from coarse_to_fine.evaluation.compare import compare_predictions
from coarse_to_fine.evaluation.evaluate import CONVENTIONS, evaluate_predictions, main
from tests.evaluation.test_readers import write

TRUTH = [
    {"qid": 1, "vid": "a", "query": "one", "duration": 20, "relevant_windows": [[0, 10]]},
    {"qid": 2, "vid": "b", "query": "two", "duration": 20, "relevant_windows": [[10, 20]]},
]
FOUND = {"qid": 1, "pred_relevant_windows": [[0, 10, 0.9]]}
EMPTY = {"qid": 2, "pred_relevant_windows": []}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path / "truth.jsonl", *TRUTH)


def test_an_empty_list_counts_as_a_miss_and_is_reported(tmp_path: Path, truth: Path) -> None:
    report = evaluate_predictions("moments", write(tmp_path / "p.jsonl", FOUND, EMPTY), truth)
    for name in ("MR-full-mAP", "MR-full-R1@0.5", "R1@0.5", "R5@0.7", "mIoU"):
        assert report.value(name) == 50.0
    assert report.warnings == ("1 empty list (count as 0)",)
    assert {metric.queries for metric in report.metrics if metric.value is not None} == {2}


def test_an_unknown_metric_names_the_known_ones(tmp_path: Path, truth: Path) -> None:
    report = evaluate_predictions("moments", write(tmp_path / "p.jsonl", FOUND, EMPTY), truth, resamples=0)
    with pytest.raises(
        UserError, match=r"no metric 'R1@0\.55' .* of moments; expected one of .*; did you mean 'R1@0\.5'\?"
    ):
        report.value("R1@0.55")
    with pytest.raises(UserError, match=r"no metric None .* see `metrics` of the report"):
        report.value(None)  # type: ignore[arg-type]


def test_only_empty_lists_give_zero_and_no_warning_of_numpy(tmp_path: Path, truth: Path) -> None:
    rows = [{**EMPTY, "qid": 1, "pred_saliency_scores": []}, {**EMPTY, "pred_saliency_scores": []}]
    report = evaluate_predictions("moments", write(tmp_path / "p.jsonl", *rows), truth)
    assert report.value("MR-full-mAP") == 0.0
    assert report.value("MR-long-mAP") is None


def test_absent_queries_are_refused_by_name_unless_asked_otherwise(tmp_path: Path, truth: Path) -> None:
    path = write(tmp_path / "p.jsonl", FOUND)
    with pytest.raises(DataError, match=r"no answer to 1 of 2 queries \(2\)"):
        evaluate_predictions("moments", path, truth)
    missed = evaluate_predictions("moments", path, truth, missing="miss")
    dropped = evaluate_predictions("moments", path, truth, missing="drop")
    assert (missed.value("R1@0.5"), missed.queries) == (50.0, 2)
    assert (dropped.value("R1@0.5"), dropped.queries) == (100.0, 1)
    assert "count as misses" in missed.warnings[0] and "left out by request" in dropped.warnings[0]


@pytest.mark.parametrize("missing", ["refuse", "miss", "drop"])
def test_unknown_queries_are_always_refused(tmp_path: Path, truth: Path, missing: Any) -> None:
    path = write(tmp_path / "p.jsonl", FOUND, EMPTY, {**EMPTY, "qid": 99})
    with pytest.raises(DataError, match=r"1 query id is not in truth.jsonl \(99\)"):
        evaluate_predictions("moments", path, truth, missing=missing)


def test_a_truth_without_windows_is_refused_by_name(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare.jsonl", TRUTH[0], {**TRUTH[1], "relevant_windows": []})
    with pytest.raises(DataError, match=r"1 query has no true window \(2\)"):
        evaluate_predictions("moments", write(tmp_path / "p.jsonl", FOUND, EMPTY), bare)


@pytest.mark.parametrize(
    ("task", "rows", "lacks"),
    [
        ("moments", [{"qid": 1, "videos": []}, {"qid": 2, "videos": []}], "neither pred_relevant_windows nor moments"),
        ("highlights", [FOUND, EMPTY], "no pred_saliency_scores"),
        ("corpus", [FOUND, EMPTY], "name no videos of their moments"),
        ("videos", [FOUND, EMPTY], "rank no videos"),
    ],
)
def test_a_file_for_another_task_says_what_it_lacks(
    tmp_path: Path, truth: Path, task: str, rows: list[Any], lacks: str
) -> None:
    with pytest.raises(DataError, match=lacks):
        evaluate_predictions(task, write(tmp_path / "p.jsonl", *rows), truth)


def test_unknown_names_list_the_known_ones(tmp_path: Path, truth: Path) -> None:
    path = write(tmp_path / "p.jsonl", FOUND, EMPTY)
    with pytest.raises(ConfigError, match="moments, highlights, videos, corpus"):
        evaluate_predictions("moment", path, truth)
    with pytest.raises(ConfigError, match="default, sorted, qvhighlights"):
        evaluate_predictions("moments", path, truth, "tvr")


def test_an_unsorted_list_is_reported_and_sorted_only_by_name(tmp_path: Path, truth: Path) -> None:
    rows = [{"qid": 1, "pred_relevant_windows": [[15, 20, 0.1], [0, 10, 0.9]]}, EMPTY]
    path = write(tmp_path / "p.jsonl", *rows)
    default, ordered = (evaluate_predictions("moments", path, truth, name) for name in ("default", "sorted"))
    assert (default.value("MR-full-R1@0.5"), ordered.value("MR-full-R1@0.5")) == (0.0, 50.0)
    assert any("not sorted by score" in warning for warning in default.warnings)
    assert default.value("R1@0.5") == ordered.value("R1@0.5") == 50.0


@pytest.mark.parametrize("field", ["vid", "video_id"])
def test_an_answer_about_another_video_is_refused(tmp_path: Path, truth: Path, field: str) -> None:
    rows = [{**FOUND, field: "a.mp4"}, {**EMPTY, field: "c"}]
    with pytest.raises(DataError, match=r"1 answer is about another video than asked .*2: c, not b"):
        evaluate_predictions("moments", write(tmp_path / "p.jsonl", *rows), truth)
    rows[1][field] = "b"
    assert evaluate_predictions("moments", write(tmp_path / "p.jsonl", *rows), truth).queries == 2


def test_corpus_lists_are_ranked_over_all_videos(tmp_path: Path, truth: Path) -> None:
    rows = [
        {"qid": 1, "predictions": [["b", 0, 10, 0.9], ["a", 0, 10, 0.8]]},
        {"qid": 2, "predictions": []},
    ]
    report = evaluate_predictions("corpus", write(tmp_path / "p.jsonl", *rows), truth)
    found = report.to_json()["metrics"]
    assert (found["VCMR-R1@0.5"], found["VCMR-R5@0.5"], found["VR-R1"], found["VR-listed"]) == (0.0, 50.0, 0.0, 50.0)
    assert report.videos == 2 and report.warnings == ("1 empty list (count as 0)",)
    assert {metric.chance for metric in report.metrics if metric.name == "VR-R1"} == {50.0}


def test_a_constant_video_scorer_gets_chance_and_the_strict_rule_gives_it_everything(tmp_path: Path) -> None:
    videos = [f"v{at}" for at in range(10)]
    rows = [{"query_id": v, "video_id": v, "text": v, "windows_s": [[0, 1]]} for v in videos]
    answers = [{"query_id": v, "videos": [[other, 0.0] for other in videos]} for v in videos]
    files = write(tmp_path / "p.jsonl", *answers), write(tmp_path / "t.jsonl", *rows)
    fair, strict = (evaluate_predictions("videos", *files, name) for name in ("default", "t-mass"))
    assert fair.value("R@1") == pytest.approx(10.0) and fair.value("R@5") == pytest.approx(50.0)
    assert fair.value("MedR") == pytest.approx(5.5)
    assert strict.value("R@1") == 100.0


def test_a_true_video_that_is_not_listed_is_a_miss_at_every_k(tmp_path: Path, truth: Path) -> None:
    rows = [{"qid": 1, "videos": [["b", -1.0]]}, {"qid": 2, "videos": [["b", 0.0], ["a", 0.0]]}]
    report = evaluate_predictions("videos", write(tmp_path / "p.jsonl", *rows), truth)
    assert report.value("R@1") == 25.0
    assert any("no true video in 1 list" in warning for warning in report.warnings)


def test_every_number_says_over_how_many_queries(tmp_path: Path, truth: Path) -> None:
    report = evaluate_predictions("moments", write(tmp_path / "p.jsonl", FOUND, EMPTY), truth, resamples=50).to_json()
    assert set(report["metrics"]) == set(report["details"])
    for name, detail in report["details"].items():
        assert detail["queries"] <= report["queries"], name
        assert detail["value"] == report["metrics"][name]
        assert "rule" in detail
    assert report["details"]["R1@0.5"]["interval_95"][0] <= 50 <= report["details"]["R1@0.5"]["interval_95"][1]


def test_the_command_prints_one_json_document_or_one_line(
    tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "p.jsonl", FOUND, EMPTY)
    arguments = ["--task", "moments", "--predictions", str(path), "--truth", str(truth)]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["R1@0.5"] == 50.0
    assert main(arguments) == 0
    assert "mIoU" in capsys.readouterr().out
    path.write_text("nothing\n")
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "p.jsonl:1" in captured.err


def test_the_module_runs_and_loads_no_model(tmp_path: Path, truth: Path) -> None:
    path = write(tmp_path / "p.jsonl", FOUND, EMPTY)
    code = (
        "import sys; from coarse_to_fine.evaluation.evaluate import main; code = "
        f"main(['--task','moments','--predictions',{str(path)!r},'--truth',{str(truth)!r},'--json']); stages = "
        "['encoders', 'coarse_grained', 'fine_grained']; models = ('transformers', *(f'coarse_to_fine.{name}' for name "
        "in stages)); sys.exit(code or sum(name.startswith(models) for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_convention_has_a_description() -> None:
    assert all(text for known in CONVENTIONS.values() for text in known.values())


def test_thresholds_and_lengths_of_another_set_are_asked_for(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "val.jsonl", {"qid": 1, "duration": 700, "vid": "a", "query": "x", "relevant_windows": [[0, 200]]}
    )
    answers = write(tmp_path / "p.jsonl", {"qid": 1, "pred_relevant_windows": [[0, 30, 0.5]]})
    plain = evaluate_predictions("moments", answers, truth, resamples=0)
    assert not any("superlong" in metric.name or "@0.1" in metric.name for metric in plain.metrics)
    found = evaluate_predictions("moments", answers, truth, thresholds=(0.1, 0.3), lengths="tacos", resamples=0)
    assert found.value("R1@0.1") == 100.0 and found.value("R1@0.3") == 0.0
    assert found.value("MR-superlong-mAP") == 0.0 and found.value("MR-long-mAP") is None
    assert "superlong" in found.official
    for wrong in ((), (0.0,), (1.5,)):
        with pytest.raises(ConfigError, match="IoU thresholds"):
            evaluate_predictions("moments", answers, truth, thresholds=wrong, resamples=0)
    with pytest.raises(ConfigError, match="lengths is 'x'; expected one of qvhighlights, tacos"):
        evaluate_predictions("moments", answers, truth, lengths="x", resamples=0)  # type: ignore[arg-type]


OUTSIDE = [
    {"qid": 1, "vid": "a", "query": "one", "duration": 20, "relevant_windows": [[10, 40]]},
    {"qid": 2, "vid": "b", "query": "two", "duration": 20, "relevant_windows": [[-4, 10], [25, 30]]},
    {"qid": 3, "vid": "c", "query": "three", "duration": 20, "relevant_windows": [[21, 22], [5, 5]]},
]
INSIDE = [
    {"qid": 1, "pred_relevant_windows": [[10, 20, 0.9]]},
    {"qid": 2, "pred_relevant_windows": [[0, 10, 0.9]]},
    {"qid": 3, "pred_relevant_windows": [[5, 6, 0.9]]},
]


def test_true_windows_are_cut_to_their_videos_and_counted(tmp_path: Path) -> None:
    truth, answers = write(tmp_path / "t.jsonl", *OUTSIDE), write(tmp_path / "p.jsonl", *INSIDE)
    report = evaluate_predictions("moments", answers, truth)
    assert (report.value("R1@0.7"), report.value("mIoU"), report.queries) == (100.0, 100.0, 2)
    said = "\n".join(report.warnings)
    for part in (
        "R03 start below zero: set to 0: 1",
        "R04 end after the end",
        "R05 window outside",
        "left out: 1 answer",
    ):
        assert part in said
    changes = compare_predictions("moments", truth, answers, answers)
    assert changes.queries == 2 and "R04" in "\n".join(changes.warnings)


def test_an_official_tool_takes_true_windows_as_they_stand(tmp_path: Path) -> None:
    truth, answers = write(tmp_path / "t.jsonl", *OUTSIDE), write(tmp_path / "p.jsonl", *INSIDE)
    report = evaluate_predictions("moments", answers, truth, "qvhighlights")
    assert (report.value("MR-full-R1@0.5"), report.queries, report.warnings) == (pytest.approx(100 / 3), 3, ())


def test_answers_and_annotations_in_each_others_place_are_told(tmp_path: Path, truth: Path) -> None:
    answers = write(tmp_path / "p.jsonl", FOUND, EMPTY)
    with pytest.raises(DataError, match=r"p\.jsonl:1: answers \(pred_relevant_windows\) .* as the predictions"):
        evaluate_predictions("moments", truth, answers)
    with pytest.raises(DataError, match=r"truth\.jsonl:1: fields .* this file holds annotations: give it as the truth"):
        evaluate_predictions("moments", truth, truth)


REVERSED = [
    {"qid": 1, "vid": "a", "query": "one", "duration": 20, "relevant_windows": [[0, 4], [9, 6]]},
    {"query_id": 1, "video_id": "a", "text": "one", "windows_s": [[0, 4], [9, 6]]},
    {"desc_id": 1, "vid_name": "a", "desc": "one", "ts": [9, 6]},
]


@pytest.mark.parametrize("row", REVERSED)
def test_true_windows_that_end_before_they_start_are_swapped_as_in_training(tmp_path: Path, row: Any) -> None:
    truth = write(tmp_path / "t.jsonl", row)
    answers = write(tmp_path / "p.jsonl", {"qid": 1, "pred_relevant_windows": [[6, 9, 0.9]]})
    report = evaluate_predictions("moments", answers, truth)
    assert report.value("mIoU") == 100.0
    assert "t.jsonl: R02 start after end: swapped: 1 (first in row 1: (9.0, 6.0) -> (6.0, 9.0))" in report.warnings
    assert "R02" in "\n".join(compare_predictions("moments", truth, answers, answers).warnings)


@pytest.mark.parametrize("row", REVERSED)
def test_the_rules_of_an_official_tool_refuse_windows_that_end_before_they_start(tmp_path: Path, row: Any) -> None:
    truth = write(tmp_path / "t.jsonl", row)
    answers = write(tmp_path / "p.jsonl", {"qid": 1, "pred_relevant_windows": [[6, 9, 0.9]]})
    for measure in (
        lambda: evaluate_predictions("moments", answers, truth, "qvhighlights"),
        lambda: compare_predictions("moments", truth, answers, answers, "qvhighlights"),
    ):
        with pytest.raises(DataError, match=r"t\.jsonl:1: .* starts at 9 and ends at 6; .* convention default"):
            measure()


def test_answers_to_queries_that_a_reader_drops_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "durations.csv").write_text("video_id,duration\nAAAAA,20\n")
    truth = tmp_path / "charades_sta_test.txt"
    truth.write_text("AAAAA 0.0 5.0##one.\nAAAAA 30.0 35.0##two.\n")
    rows = [{"qid": f"test:{line}", "pred_relevant_windows": [[0, 5, 1]]} for line in (1, 2)]
    report = evaluate_predictions("moments", write(tmp_path / "p.jsonl", *rows), truth)
    assert (report.value("R1@0.7"), report.queries) == (100.0, 1)
    assert "left out: 1 answer to queries without a window inside their video (test:2)" in report.warnings
