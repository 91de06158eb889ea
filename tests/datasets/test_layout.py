"""Our annotation layout: what is written is read, and a wrong line is named."""

from __future__ import annotations

import json

import pytest

from coarse_to_fine.datasets.layout import (
    LayoutVideo,
    queries_file,
    read_annotations,
    splits,
    with_alternates,
    write_annotations,
)
from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.errors import DataError

SALIENCY = {"clip_s": 2.0, "clip_ids": [0, 1], "scores": [[1, 2, 3], [4, 4, 4]]}
ROW = {"query_id": "x", "video_id": "w", "text": "t", "windows_s": []}


@pytest.fixture
def folder(tmp_path):
    videos = [LayoutVideo(VideoInfo("v\u2028 視", 10.0, 25.0), "videos/v.mp4"), LayoutVideo(VideoInfo("w", 5.0))]
    queries = [
        MomentQuery("q0", "v\u2028 視", "one", ((0.0, 4.0), (5.0, 10.0)), "val", extras={"saliency": SALIENCY}),
        MomentQuery("q1", "w", "two", (), "val", extras={"n": 1}),
    ]
    write_annotations(tmp_path, "val", videos, queries, name="small", licence="none")
    return tmp_path


def test_round_trip(folder):
    read = read_annotations(folder, "val")
    assert [query.windows_s for query in read.queries] == [((0.0, 4.0), (5.0, 10.0)), ()]
    assert read.queries[0].extras == {"saliency": SALIENCY}
    assert read.queries[1].extras == {"n": 1}
    assert [query.source_line for query in read.queries] == [1, 2]
    assert read.videos["v\u2028 視"].path == folder / "videos" / "v.mp4"
    assert read.videos["w"].path is None
    assert read.videos["w"].info == VideoInfo("w", 5.0)
    assert read.video_ids() == ["v\u2028 視", "w"]
    assert read.coarse == ()
    assert splits(folder) == ["val"]


def test_coarse_captions_are_queries_without_windows(folder):
    row = {"caption_id": "c0", "video_id": "w", "text": "all of it", "variant": 0}
    (folder / "coarse.val.jsonl").write_text(json.dumps(row) + "\n")
    (caption,) = read_annotations(folder, "val").coarse
    assert (caption.query_id, caption.windows_s, caption.extras) == ("c0", (), {"variant": 0})


def test_paraphrases_become_queries_of_their_own():
    alternates = [{"text": "other", "windows_s": [[1, 2]]}, {"text": "third", "windows_s": [[1, 2], [3, 4]]}]
    query = MomentQuery("q", "v", "first", ((1.0, 2.0),), "train", extras={"alternates": alternates})
    expanded = with_alternates([query])
    assert [(one.query_id, one.text, one.windows_s) for one in expanded] == [
        ("q", "first", ((1.0, 2.0),)),
        ("q~1", "other", ((1.0, 2.0),)),
        ("q~2", "third", ((1.0, 2.0), (3.0, 4.0))),
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "line 3: broken JSON"),
        ("[1]", r"line 3: a JSON list \(\[1\]\); expected an object"),
        ('{"query_id": "x", "video_id": "w", "text": "t", "windows_s": [[1]]}', r"line 3: windows_s holds \[1\]"),
        ('{"query_id": "x", "video_id": "w", "text": "t", "windows_s": null}', "line 3: windows_s is None"),
        ('{"query_id": "x", "video_id": "w", "text": "t", "windows_s": [], "extras": [1]}', "line 3: a JSON list"),
        ('{"query_id": "x", "video_id": "w", "text": 3, "windows_s": []}', "line 3: text is 3; expected text"),
        (json.dumps(ROW | {"extras": {"alternates": [{"text": "t", "windows_s": [[1]]}]}}), "line 3: windows_s of an"),
        (json.dumps(ROW | {"extras": {"alternates": [{"text": "t"}]}}), "line 3: no field 'windows_s'"),
        (json.dumps(ROW | {"saliency": SALIENCY | {"scores": [[1, 2, 3]]}}), "line 3: lists of different length"),
        (json.dumps(ROW | {"saliency": SALIENCY | {"clip_ids": [0, "1"]}}), "line 3: clip ids hold '1'"),
        ('{"query_id": [], "video_id": "w", "text": "t", "windows_s": []}', r"line 3: query_id is \[\]"),
        ('{"query_id": "q0", "video_id": "w", "text": "t", "windows_s": []}', "line 3: query_id 'q0' stands in line 1"),
        ('{"query_id": "x", "query_id": "y"}', "line 3: 'query_id' stands twice"),
        ('{"query_id": "x", "video_id": "w", "text": "t"}', "line 3 has no 'windows_s'"),
        (
            '{"query_id": "x", "video_id": "z", "text": "t", "windows_s": []}',
            "line 3: video 'z' is not in videos.jsonl",
        ),
        (
            '{"query_id": "x", "video_id": "w", "text": "t", "windows_s": [[3, 9]]}',
            r"line 3: window \[3, 9\] of a video",
        ),
    ],
)
def test_wrong_line_is_named(folder, row, problem):
    with (folder / "queries.val.jsonl").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(DataError, match=problem):
        read_annotations(folder, "val")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"duration_s": "ten"}, "duration_s is 'ten'; expected a number"),
        ({"duration_s": 0}, "duration_s is 0"),
        ({"duration_s": 10**400}, "duration_s is 1000"),
        ({"fps": [25]}, r"fps is \[25\]"),
        ({"path": 3}, "path is 3"),
        ({"video_id": "w"}, "video_id 'w' stands in line 2"),
    ],
)
def test_wrong_video_is_named(folder, change, problem):
    with (folder / "videos.jsonl").open("a") as file:
        file.write(json.dumps({"video_id": "x", "duration_s": 5.0} | change))
    with pytest.raises(DataError, match=rf"videos.jsonl line 3: {problem}"):
        read_annotations(folder, "val")


def test_missing_split_is_said(folder):
    with pytest.raises(DataError, match=r"queries.test.jsonl is no file"):
        read_annotations(folder, "test")


def test_the_file_of_a_kind_of_sentences_is_named_or_what_there_is_instead(tmp_path):
    for name in ("queries.val.jsonl", "coarse.val.jsonl", "queries.test.jsonl"):
        (tmp_path / name).write_text("")
    assert queries_file(tmp_path, "val").name == "queries.val.jsonl"
    assert queries_file(tmp_path, "val", "coarse").name == "coarse.val.jsonl"
    with pytest.raises(DataError, match=r"no coarse\.test\.jsonl in .*which holds coarse\.val\.jsonl, queries\.test"):
        queries_file(tmp_path, "test", "coarse")
    with pytest.raises(DataError, match="kind of queries 'long'; expected fine or coarse"):
        queries_file(tmp_path, "val", "long")
