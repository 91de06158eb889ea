"""The published annotation files give the counts that independent loaders gave; skipped where the files are not."""

from __future__ import annotations

import pytest

from coarse_to_fine.datasets.formats import load_annotations, read_annotation_file

EXPECTED = [
    # file, format, split, rows kept, videos, windows, repairs
    ("charades_sta/charades_sta_train.txt", "charades-sta", "train", 12405, 5336, 12405,
     {"R02": 4, "R04": 1802, "R05": 3, "R09": 33}),
    ("charades_sta/charades_sta_test.txt", "charades-sta", "test", 3720, 1334, 3720, {"R04": 562, "R09": 9}),
    ("tacos/train.json", "tacos", "train", 9790, 75, 9790, {"R04": 43, "R06": 1211, "R09": 55}),
    ("tacos/val.json", "tacos", "val", 4436, 27, 4436, {"R06": 521, "R09": 26}),
    ("tacos/test.json", "tacos", "test", 4001, 25, 4001, {"R04": 5, "R06": 574, "R09": 36}),
    ("tacos/tacos_test_release.jsonl", "lighthouse", "test", 4001, 25, 4001, {"R06": 574, "R09": 36}),
    ("qvhighlights/highlight_val_release.jsonl", "qvhighlights", "val", 1550, 1519, 2803, {"R09": 16}),
    ("qvhighlights/highlight_test_release.jsonl", "qvhighlights", "test", 1542, 1529, 0, {"R09": 18}),
    ("charades_cg/novel_composition.json", "charades-cg", "novel_composition", 3442, 2480, 3442,
     {"R04": 452, "R09": 14}),
    ("charades_cg/novel_word.json", "charades-cg", "novel_word", 695, 580, 695, {"R04": 109}),
    ("tacos_cg/tacos_cg.json", "tacos-cg", "all", 579, 127, 0, {}),
    ("tacos_cg/tacos_cg_old.json", "tacos-cg", "all", 635, 127, 0, {}),
    ("msrvtt/MSRVTT_JSFUSION_test.csv", "msrvtt", "test", 1000, 1000, 0, {"R11": 1}),
    ("didemo/didemo_val_label.csv", "didemo-csv", "val", 1062, 1062, 0,
     {"R01": 1, "R09": 13, "R11": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("file", "format", "split", "kept", "videos", "windows", "repairs"), EXPECTED)
def test_counts_of_published_files(file, format, split, kept, videos, windows, repairs, data_dir):
    report = read_annotation_file(data_dir / file).report
    assert (report.format, report.split, report.rows_kept, report.videos, report.windows) == (
        format, split, kept, videos, windows,
    )  # fmt: skip
    assert report.counts == repairs
    assert report.refused == []


def test_both_tacos_layouts_hold_the_same_rows(data_dir):
    frames = {query.query_id: query for query in load_annotations(data_dir / "tacos/test.json").queries}
    seconds = {query.query_id: query for query in load_annotations(data_dir / "tacos/tacos_test_release.jsonl").queries}
    assert frames.keys() == seconds.keys()
    for query_id, query in frames.items():
        assert query.text == seconds[query_id].text
        assert query.video_id == seconds[query_id].video_id
        assert query.windows_s[0] == pytest.approx(seconds[query_id].windows_s[0], abs=1e-6)


def test_no_kept_window_leaves_its_video(data_dir):
    for file in ("charades_sta/charades_sta_train.txt", "tacos/train.json", "qvhighlights/highlight_val_release.jsonl"):
        annotations = load_annotations(data_dir / file)
        for query in annotations.queries:
            for start, end in query.windows_s:
                assert 0 <= start < end <= annotations.videos[query.video_id].duration_s


def test_charades_rows_without_durations_are_refused(data_dir):
    report = read_annotation_file(data_dir / "charades_sta/charades_sta_test.txt", durations={}).report
    assert len(report.refused) == 3720
    assert report.refused[0].code == "E08"
