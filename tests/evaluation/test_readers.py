"""Prediction and truth files: every layout is read, and a bad row is refused by file, row and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.predictions import read_predictions, write_predictions
from coarse_to_fine.evaluation.truth import read_truth, truth_from_records
from tests.evaluation.random_collection import random_answer, random_truth

GOOD: dict[str, Any] = {"qid": 1, "pred_relevant_windows": [[0, 4, 0.5]], "pred_saliency_scores": [0.1, -2]}
TRUE: dict[str, Any] = {
    "qid": 1,
    "duration": 9,
    "relevant_windows": [[0, 4]],
    "relevant_clip_ids": [0, 1],
    "saliency_scores": [[1, 2, 3], [4, 4, 4]],
}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**GOOD, "qid": 2, "pred_relevant_windows": [[4, 0, 0.5]]}, "starts at 4 and ends at 0"),
        ({**GOOD, "qid": 2, "pred_relevant_windows": [[0, 4]]}, "expected 3 numbers"),
        ({**GOOD, "qid": 2, "pred_relevant_windows": [[0, 4, "0.5"]]}, "finite numbers"),
        ({**GOOD, "qid": 2, "pred_relevant_windows": [[0, True, 0.5]]}, "finite numbers"),
        ({**GOOD, "qid": 2, "pred_saliency_scores": [float("nan")]}, "finite numbers"),
        ({**GOOD, "qid": 2, "pred_saliency_scores": [float("inf")]}, "finite numbers"),
        ({"qid": 2, "pred_relevant_windows": [[0, 4, 0.5]]}, "pred_saliency_scores in some rows only"),
        ({**GOOD}, "query 1 again, first in"),
        ({**GOOD, "qid": "1"}, "query 1 again, first in"),
        ({"qid": 2, "windows": []}, "expected one of pred_relevant_windows"),
        ({"pred_relevant_windows": []}, "no query id"),
        ("{broken", "expected one JSON object a line"),
        ("[1, 2]", "expected one JSON object a line"),
    ],
)
def test_a_bad_prediction_row_is_named(tmp_path: Path, row: Any, reason: str) -> None:
    path = write(tmp_path / "p.jsonl", GOOD, row)
    with pytest.raises(DataError, match=r"p\.jsonl:2") as caught:
        read_predictions(path)
    assert reason in str(caught.value)
    assert str(caught.value).count("\n") == 0 and str(caught.value).count(";") >= 2


def test_a_missing_or_empty_prediction_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_predictions(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="no rows"):
        read_predictions(write(tmp_path / "empty.jsonl"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**TRUE, "qid": 2, "relevant_clip_ids": [0, 4]}, "expected whole numbers from 0 to 3"),
        ({**TRUE, "qid": 2, "relevant_clip_ids": [0]}, "lists of one length"),
        ({**TRUE, "qid": 2, "relevant_windows": [[4, 0, 1]]}, "expected 2 numbers"),
        ({**TRUE, "qid": 2, "duration": 0}, "a length above 0"),
        ({**TRUE, "qid": 2, "saliency_scores": [[1, 2, 3], [1, 2]]}, "expected 3 numbers"),
    ],
)
def test_a_bad_truth_row_is_named(tmp_path: Path, row: Any, reason: str) -> None:
    with pytest.raises(DataError, match=r"t\.jsonl:2") as caught:
        read_truth(write(tmp_path / "t.jsonl", TRUE, row))
    assert reason in str(caught.value)


def test_one_query_in_two_truth_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 query ids stand in several rows"):
        read_truth(write(tmp_path / "t.jsonl", TRUE, TRUE))


def test_saliency_of_the_truth_is_spread_over_the_clips(tmp_path: Path) -> None:
    query = read_truth(write(tmp_path / "val.jsonl", TRUE)).queries[0]
    assert query.relevance is not None
    assert query.relevance.tolist() == [[1, 2, 3], [4, 4, 4], [0, 0, 0], [0, 0, 0]]
    assert query.cluster == "query 1" and query.answers == {}


def test_the_layouts_of_tvr_and_ours_are_read(tmp_path: Path) -> None:
    tvr = write(
        tmp_path / "tvr.jsonl",
        {"desc_id": 7, "desc": "he  leaves", "type": "vt", "vid_name": "a", "ts": [1.5, 4]},
        {"desc_id": 8, "desc": "x", "type": "v", "vid_name": "b", "ts": [[1, 2], [1, 2], [2, 3], [1, 3]]},
    )
    first, second = read_truth(tvr).queries
    assert (first.query_id, first.video_id, first.text, first.kind) == ("7", "a", "he leaves", "vt")
    assert first.windows.tolist() == [[1.5, 4.0]] and len(second.windows) == 4
    write(tmp_path / "videos.jsonl", {"video_id": "a", "duration_s": 50.0}, {"video_id": "other", "duration_s": 9.0})
    ours = write(
        tmp_path / "queries.test.jsonl", {"query_id": "q", "video_id": "a", "text": "t", "windows_s": [[0, 3]]}
    )
    truth = read_truth(ours)
    assert truth.split == "test" and truth.gallery == ("a",) and truth.queries[0].duration_s == 50.0
    assert read_truth(ours, gallery=tmp_path / "videos.jsonl").gallery == ("a", "other")


def test_a_gallery_without_a_true_video_is_refused(tmp_path: Path) -> None:
    gallery = write(tmp_path / "gallery.jsonl", {"video_id": "b", "duration_s": 5.0})
    rows = write(tmp_path / "q.jsonl", {"query_id": "q", "video_id": "a", "text": "t", "windows_s": [[0, 3]]})
    with pytest.raises(DataError, match="1 true video is not in"):
        read_truth(rows, gallery=gallery)


def test_a_tvr_submission_is_read_with_its_video_names(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    document = {
        "video2idx": {"a": 3, "b": 5},
        "VCMR": [{"desc_id": 1, "predictions": [[5, 0, 2, 0.9], [3, 1, 2, 0.4]]}],
        "VR": [{"desc_id": 1, "predictions": [[3, 0, 0, 0.9]]}],
    }
    path.write_text(json.dumps(document))
    answer = read_predictions(path).by_id["1"]
    assert answer.moments is not None and answer.moments.video_ids == ("b", "a")
    assert answer.videos is not None and answer.videos.video_ids == ("a",)
    document["VCMR"][0]["predictions"][0][0] = 4  # type: ignore[index]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"VCMR\[0\]: video index 4"):
        read_predictions(path)


ODD = (None, True, 0, -1, 1.5, 10**400, "7", "", [], [None], [[]], ["a"], [[1, "2"]], {}, {"a": 1})
"""Values of every JSON type, in places where most of them do not belong."""


def read_or_refuse(read: Any, path: Path) -> None:
    try:
        read(path)
    except DataError as error:
        assert str(error).count("\n") == 0


@pytest.mark.parametrize("name", ["video2idx", "VCMR", "SVMR", "VR"])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_tvr_submission_of_another_shape_is_read_or_refused(tmp_path: Path, name: str, odd: object) -> None:
    row = {"desc_id": 1, "predictions": [[3, 0, 2, 0.9]]}
    document = {"video2idx": {"a": 3}, "VCMR": [row], "SVMR": [row], "VR": [row]}
    for value in (odd, [odd], {"a": odd}, [{**row, "predictions": odd}], [{**row, "desc_id": odd}]):
        path = tmp_path / "submission.json"
        path.write_text(json.dumps({**document, name: value}))
        read_or_refuse(read_predictions, path)


def test_a_tvr_submission_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    path.write_text(json.dumps({"video2idx": ["a"], "VCMR": []}))
    with pytest.raises(DataError, match=r"video2idx is .*; expected an object of video names"):
        read_predictions(path)
    row = {"desc_id": 1, "predictions": [[3, 0, 5, 1.0]]}
    path.write_text(json.dumps({"VCMR": [row]}, indent=1))
    with pytest.raises(DataError, match="a TVR submission, no video2idx; expected an object of video names"):
        read_predictions(path)
    path.write_text(json.dumps({"video2idx": {"a": 3}, "VCMR": [1, 2]}))
    with pytest.raises(DataError, match=r"VCMR\[0\]: 1; expected one JSON object"):
        read_predictions(path)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_of_a_prediction_row_are_read_or_refused(tmp_path: Path, odd: object) -> None:
    full = {**GOOD, "predictions": [["a", 0, 4, 0.5]], "videos": [["a", 0.5]], "moments": [["a", 0, 4, 0.5]]}
    for name in full:
        for value in (odd, [odd], [["a", odd, 4, 0.5]], [[odd, 0, 4, 0.5]]):
            read_or_refuse(read_predictions, write(tmp_path / "p.jsonl", {**full, name: value}))


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_of_a_truth_row_are_read_or_refused(tmp_path: Path, odd: object) -> None:
    tvr = {"desc_id": 7, "desc": "he leaves", "type": "vt", "vid_name": "a", "ts": [1.5, 4]}
    ours = {"query_id": "q", "video_id": "a", "text": "t", "windows_s": [[0, 3]], "duration_s": 9, "variant": "b"}
    more = {"label": [[1, 0]], "saliency": [[1, 2]]}
    boxed = {**ours, "saliency": {"clip_ids": [0], "scores": [[1, 2]]}}
    for full in (TRUE, {**TRUE, **more}, tvr, ours, boxed):
        for name in full:
            for value in (odd, [odd], [[odd]], {"clip_ids": odd, "scores": [[1]]}, {"clip_ids": [0], "scores": odd}):
                read_or_refuse(read_truth, write(tmp_path / "t.jsonl", {**full, name: value}))
    rows = write(tmp_path / "t.jsonl", ours)
    for gallery in (odd, {"video_id": odd, "duration_s": 9}, {"video_id": "a", "duration_s": odd}):
        path = write(tmp_path / "gallery.jsonl", gallery)
        read_or_refuse(lambda truth, path=path: read_truth(truth, gallery=path), rows)


def test_the_null_sentence_is_not_a_word(tmp_path: Path) -> None:
    row = {"query_id": "q", "video_id": "a", "query": None, "text": "he leaves", "windows_s": [[0, 3]]}
    assert read_truth(write(tmp_path / "t.jsonl", row)).queries[0].text == "he leaves"


def test_corpus_and_video_lists_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", {"qid": 1, "predictions": [["a", 0, 4, 0.5]]}, {"qid": 2, "predictions": []})
    found = read_predictions(path).by_id
    assert found["1"].moments is not None and len(found["1"].moments) == 1
    assert found["2"].moments is not None and len(found["2"].moments) == 0
    ranked = read_predictions(write(tmp_path / "v.jsonl", {"qid": 1, "predictions": [["a", 0.5], ["b", 0.1]]})).by_id
    assert ranked["1"].videos is not None and ranked["1"].videos.video_ids == ("a", "b")


def test_reversed_moments_of_a_pipeline_are_counted_and_kept_as_misses(tmp_path: Path) -> None:
    found = read_predictions(write(tmp_path / "p.jsonl", {"query_id": 1, "moments": [["a", 4, 0, 0.5]]}))
    assert found.notes == ("1 moments end before they start and count as misses",)


def test_written_predictions_are_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = random_truth(rng)
    answers = [random_answer(rng, truth, query) for query in truth.queries]
    write_predictions(tmp_path / "p.jsonl", answers)
    found = read_predictions(tmp_path / "p.jsonl")
    for answer in answers:
        other = found.by_id[answer.query_id]
        for name in ("windows", "saliency"):
            np.testing.assert_array_equal(getattr(other, name), getattr(answer, name))
        assert other.moments is not None and answer.moments is not None
        assert other.moments.video_ids == answer.moments.video_ids
        np.testing.assert_array_equal(other.moments.spans, answer.moments.spans)
        assert other.videos is not None and answer.videos is not None
        assert other.videos.video_ids == answer.videos.video_ids


def test_records_become_a_truth_over_all_their_videos() -> None:
    videos = [VideoInfo("a", 20.0), VideoInfo("b", 30.0)]
    saliency = {"clip_s": 2.0, "clip_ids": [1], "scores": [[4, 0, 1]]}
    truth = truth_from_records([MomentQuery("q", "a", "text", ((2.0, 4.0),), "val", 1, {"saliency": saliency})], videos)
    assert truth.gallery == ("a", "b") and truth.split == "val"
    assert truth.queries[0].relevance is not None and truth.queries[0].relevance[1].tolist() == [4, 0, 1]
    assert len(truth.queries[0].relevance) == 10
