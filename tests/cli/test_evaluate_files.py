"""`ctf evaluate predictions` and `compare` on files."""

from __future__ import annotations

import json

import pytest

from tests.evaluation.test_readers import write


@pytest.fixture
def charades(tmp_path):
    """A test file that needs a repair, a training file that shares a video, answers before and after."""
    (tmp_path / "durations.csv").write_text("video_id,duration\nAAAAA,20.0\nBBBBB,8.0\n")
    (tmp_path / "charades_sta_test.txt").write_text("AAAAA 1.0 6.0##one.\nBBBBB 5.0 9.5##two.\n")
    (tmp_path / "charades_sta_train.txt").write_text("BBBBB 1.0 2.0##three.\n")
    right, wrong = {"test:1": [[1, 6, 0.9]], "test:2": [[5, 8, 0.9]]}, [[0, 0.5, 0.9]]
    for name, hit in (("before", "test:1"), ("after", "test:2")):
        rows = [{"qid": qid, "pred_relevant_windows": span if qid == hit else wrong} for qid, span in right.items()]
        write(tmp_path / f"{name}.jsonl", *rows)
    return tmp_path


def test_repairs_of_the_truth_are_printed(ctf, charades):
    options = "--predictions", charades / "before.jsonl", "--truth", charades / "charades_sta_test.txt"
    result = ctf("evaluate", "predictions", *options, "--resamples", 0)
    assert result.code == 0
    assert "charades_sta_test.txt: R04 end after the end of the video: cut: 1" in " ".join(result.out.split())
    report = json.loads(ctf("evaluate", "predictions", *options, "--resamples", 0, "--json").out)
    assert any("R04" in line for line in report["warnings"])


def test_a_truth_that_shares_videos_with_the_training_is_refused(ctf, charades):
    options = "--predictions", charades / "before.jsonl", "--truth", charades / "charades_sta_test.txt"
    result = ctf("evaluate", "predictions", *options, "--train", charades / "charades_sta_train.txt")
    assert result.code == 2 and "share 1 video (BBBBB);" in result.err


def test_two_files_are_compared(ctf, charades):
    page = charades / "page.html"
    options = charades / "before.jsonl", charades / "after.jsonl", "--truth", charades / "charades_sta_test.txt"
    result = ctf("evaluate", "compare", *options, "--resamples", 20, "--html", page)
    assert result.code == 0 and "won: test:2 two." in result.out and "lost: test:1 one." in result.out
    found = json.loads(ctf("evaluate", "compare", *options, "--metric", "R1@0.7", "--resamples", 20, "--json").out)
    assert (found["deciding"], [row["query_id"] for row in found["won"]]) == ("R1@0.7", ["test:2"])
    assert "<svg" in page.read_text(encoding="utf-8") and "before" in page.read_text(encoding="utf-8")
    result = ctf("evaluate", "compare", *options, "--metric", "R1@0.75")
    assert result.code == 2 and "R1@0.7" in result.err and result.err.count("\n") == 1


def test_two_files_are_compared_at_the_thresholds_that_are_named(ctf, charades):
    page = charades / "page.html"
    options = charades / "before.jsonl", charades / "after.jsonl", "--truth", charades / "charades_sta_test.txt"
    levels = "--threshold", 0.9, "--threshold", 0.1, "--lengths", "tacos", "--resamples", 20, "--html", page
    found = json.loads(ctf("evaluate", "compare", *options, *levels, "--json").out)
    assert found["deciding"] == "R1@0.1" and {"R1@0.9", "R5@0.1"} < set(found["metrics"])
    assert "R1@0.3" not in found["metrics"] and "R5@0.9" in page.read_text(encoding="utf-8")
    result = ctf("evaluate", "compare", *options, "--threshold", 0)
    assert result.code == 2 and "IoU thresholds [0.0]; expected" in result.err and result.err.count("\n") == 1


def test_a_gallery_is_that_of_both_files(ctf, tmp_path):
    answer = {"query_id": "q", "videos": [["a", 1.0], ["b", 0.5]]}
    truth = {"query_id": "q", "video_id": "a", "text": "t", "windows_s": [[0, 3]]}
    for name, row in (("before", answer), ("truth", truth), ("gallery", {"video_id": "a", "duration_s": 9.0})):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    files = tmp_path / "before.jsonl", tmp_path / "before.jsonl", "--truth", tmp_path / "truth.jsonl"
    options = *files, "--task", "videos", "--resamples", 20
    assert ctf("evaluate", "compare", *options).code == 0
    result = ctf("evaluate", "compare", *options, "--gallery", tmp_path / "gallery.jsonl")
    assert result.code == 2 and "b" in result.err and result.err.count("\n") == 1


def test_recalls_are_taken_at_the_thresholds_that_are_named(ctf, charades):
    options = "--predictions", charades / "before.jsonl", "--truth", charades / "charades_sta_test.txt"
    levels = "--threshold", 0.1, "--threshold", 0.9, "--lengths", "tacos", "--resamples", 0, "--json"
    found = json.loads(ctf("evaluate", "predictions", *options, *levels).out)["metrics"]
    assert {name for name in found if name.startswith("R1@")} == {"R1@0.1", "R1@0.9"}
    assert "MR-superlong-mAP" in found
    result = ctf("evaluate", "predictions", *options, "--threshold", 0)
    assert result.code == 2 and "IoU thresholds" in result.err and result.err.count("\n") == 1
