"""Our annotation layout as an annotation file: recognised by content, read with repairs, a folder by its split."""

from __future__ import annotations

import json

import pytest

from coarse_to_fine.datasets.formats import annotation_file, load_annotations, read_annotation_file
from coarse_to_fine.datasets.layout_rows import layout_files
from coarse_to_fine.errors import DataError

ROW = {"query_id": "q0", "video_id": "v", "text": "a dog  runs", "windows_s": [[4.0, 12.0]], "extras": {"n": 1}}
CAPTION = {"caption_id": "c0", "video_id": "v", "text": "a dog.", "variant": 2}


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path / "videos.jsonl", {"video_id": "v", "duration_s": 10.0, "fps": 25.0})
    write_lines(tmp_path / "queries.unseen_nouns.jsonl", ROW)
    write_lines(tmp_path / "coarse.unseen_nouns.jsonl", CAPTION)
    return tmp_path


def test_queries_are_read_and_repaired_as_those_of_any_set(folder):
    found = read_annotation_file(folder / "queries.unseen_nouns.jsonl")
    assert (found.report.format, found.report.split) == ("ctf", "unseen_nouns")
    assert found.report.counts == {"R04": 1, "R09": 1} and found.report.refused == []
    query = found.queries[0]
    assert (query.query_id, query.text, query.windows_s) == ("q0", "a dog runs", ((4.0, 10.0),))
    assert query.extras == {"n": 1, "raw_text": "a dog  runs"}
    assert (found.videos["v"].duration_s, found.videos["v"].fps) == (10.0, 25.0)


def test_captions_have_no_windows_and_keep_their_fields(folder):
    found = read_annotation_file(folder / "coarse.unseen_nouns.jsonl")
    assert (found.report.format, found.queries[0].query_id, found.queries[0].windows_s) == ("ctf-captions", "c0", ())
    assert found.queries[0].extras == {"variant": 2} and found.report.counts == {}
    (folder / "videos.jsonl").unlink()
    assert load_annotations(folder / "coarse.unseen_nouns.jsonl").videos == {}


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"video_id": "w"}, "E08", "video 'w' is not in videos.jsonl"),
        ({"windows_s": [4, 5]}, "E04", "expected [start, end]"),
        ({"extras": {"alternates": 3}}, "E04", "expected a list of paraphrases"),
        ({"saliency": {"clip_s": 2}}, "E03", "no field 'clip_ids'"),
        ({"mood": "calm"}, None, None),
    ],
)
def test_a_wrong_row_is_refused_by_code(folder, change, code, said):
    write_lines(folder / "queries.unseen_nouns.jsonl", ROW | change)
    report = read_annotation_file(folder / "queries.unseen_nouns.jsonl").report
    assert [one.code for one in report.refused] == ([code] if code else [])
    assert code is None or said in report.refused[0].message
    assert ("R11" in report.counts) == (code is None)


def test_a_file_without_the_videos_beside_says_so(folder):
    (folder / "videos.jsonl").unlink()
    with pytest.raises(DataError, match=r"no videos\.jsonl beside"):
        load_annotations(folder / "queries.unseen_nouns.jsonl")


def test_a_split_of_captions_alone_has_an_empty_file_of_queries(folder):
    (folder / "queries.unseen_nouns.jsonl").write_text("")
    assert load_annotations(folder / "queries.unseen_nouns.jsonl").queries == ()


def test_a_folder_stands_for_the_queries_of_its_split(folder):
    assert annotation_file(folder) == folder / "queries.unseen_nouns.jsonl"
    assert load_annotations(folder).report.split == "unseen_nouns"
    write_lines(folder / "queries.val.jsonl", ROW)
    assert load_annotations(folder, split="val").report.file == str(folder / "queries.val.jsonl")
    with pytest.raises(DataError, match=r"holds queries\.unseen_nouns\.jsonl, queries\.val\.jsonl; expected one"):
        load_annotations(folder)
    with pytest.raises(DataError, match="holds the splits unseen_nouns, val, not test"):
        load_annotations(folder, split="test")
    names = [path.name for path in layout_files(folder)]
    assert names == ["queries.val.jsonl", "queries.unseen_nouns.jsonl", "coarse.unseen_nouns.jsonl"]


def test_another_folder_is_none_of_ours(tmp_path):
    with pytest.raises(DataError, match=r"is a folder without queries\.<split>\.jsonl; expected an annotation file"):
        load_annotations(tmp_path)
