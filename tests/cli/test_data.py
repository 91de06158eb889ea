"""`ctf data check`: counts, oddities, files beside the annotations, shared videos."""

from __future__ import annotations

import json

import pytest

from tests.library.small_videos import write_video


@pytest.fixture
def charades(tmp_path):
    """A training and a test file; the test file shares a video with the training file."""
    (tmp_path / "durations.csv").write_text("video_id,duration\nAAAAA,6.0\nBBBBB,8.0\nCCCCC,12.0\n")
    (tmp_path / "charades_sta_train.txt").write_text("AAAAA 1.0 2.0##a b.\nBBBBB 5.0 9.5##c  d.\n")
    (tmp_path / "charades_sta_test.txt").write_text("CCCCC 1.0 2.0##a b.\nBBBBB 5.0 7.0##c d.\n")
    return tmp_path


def test_counts_and_repairs_as_json(ctf, charades):
    result = ctf("data", "check", charades / "charades_sta_train.txt", "--json")
    report = json.loads(result.out)
    assert (result.code, report["format"], report["split"], report["queries"]) == (0, "charades-sta", "train", 2)
    assert report["repairs"] == {"R04": 1, "R09": 1} and report["refused"] == []


def test_a_refused_row_is_exit_code_one(ctf, charades):
    path = charades / "charades_sta_train.txt"
    path.write_text(path.read_text() + "BBBBB 1.0##too few fields\n")
    result = ctf("data", "check", path, "--json")
    assert result.code == 1
    assert [(row["line"], row["code"]) for row in json.loads(result.out)["refused"]] == [(3, "E02")]
    assert ctf("data", "check", path, "--strict").code == 1


def test_a_file_that_is_not_there_is_the_users_mistake(ctf, tmp_path):
    result = ctf("data", "check", tmp_path / "absent.json")
    assert result.code == 2 and result.err.count("\n") == 1


def test_a_file_that_cannot_be_read_does_not_hide_the_others(ctf, charades):
    (charades / "own.csv").write_text("video,start,end\n")
    files = charades / "own.csv", charades / "charades_sta_train.txt", charades / "absent.json"
    result = ctf("data", "check", *files, "--json")
    assert result.code == 1 and [line.partition(": ")[0] for line in result.err.splitlines()] == ["ctf", "ctf"]
    assert "own.csv" in result.err and "absent.json" in result.err
    assert [json.loads(line)["queries"] for line in result.out.splitlines()] == [2]


def test_absent_videos_and_other_lengths_are_listed(ctf, charades):
    write_video(charades / "videos" / "AAAAA.mp4", 6.0)
    write_video(charades / "videos" / "deeper" / "BBBBB.mkv", 12.0, container="matroska")
    (charades / "videos" / "CCCCC.mp4").write_bytes(b"no video")
    files = charades / "charades_sta_train.txt", charades / "charades_sta_test.txt"
    (charades / "videos" / "AAAAA.mp4").rename(charades / "videos" / "other.mp4")
    result = ctf("data", "check", *files, "--videos", charades / "videos", "--json")
    assert result.code == 1
    train, test = (json.loads(line)["files"] for line in result.out.splitlines())
    assert train == {"found": 1, "absent": ["AAAAA"], "other_length": [["BBBBB", 8.0, 12.0]], "unreadable": []}
    assert [name for name, _ in test["unreadable"]] == ["CCCCC"]
    text = ctf("data", "check", files[0], "--videos", charades / "videos").out
    assert "BBBBB is annotated with 8 s, its file has 12 s" in text
    assert "windows are cut by the annotated length, also in the evaluation" in text


def test_two_files_of_one_id_are_refused(ctf, charades):
    for name in ("a/AAAAA.mp4", "b/AAAAA.mp4", "BBBBB.mp4"):
        write_video(charades / "videos" / name, 6.0)
    result = ctf("data", "check", charades / "charades_sta_train.txt", "--videos", charades / "videos")
    assert result.code == 2 and "video 'AAAAA' has 2 files" in result.err


def test_shared_videos_are_said_and_refused_by_request(ctf, charades):
    files = charades / "charades_sta_train.txt", charades / "charades_sta_test.txt"
    result = ctf("data", "check", *files)
    assert result.code == 0 and "share 1 video (BBBBB);" in result.err
    result = ctf("data", "check", *files, "--disjoint")
    assert result.code == 2 and "share 1 video (BBBBB);" in result.err


def test_our_own_layout_is_checked_by_file_and_by_folder(ctf, tmp_path):
    (tmp_path / "videos.jsonl").write_text('{"video_id": "v", "duration_s": 6.0}\n')
    row = '{"query_id": "q", "video_id": "v", "text": "a b", "windows_s": [[1, 2]]}\n'
    for split in ("train", "test"):
        (tmp_path / f"queries.{split}.jsonl").write_text(row)
    (tmp_path / "coarse.test.jsonl").write_text('{"caption_id": "c", "video_id": "v", "text": "a b"}\n')
    report = json.loads(ctf("data", "check", tmp_path / "queries.test.jsonl", "--json").out)
    assert (report["format"], report["split"], report["windows"]) == ("ctf", "test", 1)
    result = ctf("data", "check", tmp_path, "--split", "test", "--disjoint", "--json")
    assert (result.code, [json.loads(line)["format"] for line in result.out.splitlines()]) == (
        0,
        ["ctf", "ctf-captions"],
    )
    result = ctf("data", "check", tmp_path)
    assert (result.code, result.out.count("0 rows refused")) == (0, 3)
    assert f"{tmp_path} (train) and {tmp_path} (test) share 1 video" in result.err
