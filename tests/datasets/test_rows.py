"""Every odd row is repaired and counted, or refused with its place and reason."""

from __future__ import annotations

import json

import pytest

from coarse_to_fine.datasets.formats import guess_split, load_annotations, read_annotation_file
from coarse_to_fine.errors import DataError

ROW = {"qid": 1, "query": "a dog runs", "duration": 30, "vid": "v", "relevant_windows": [[2, 8]]}


def lines(tmp_path, *rows, name="train.jsonl"):
    path = tmp_path / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def refusals(path, **options):
    return [(one.code, one.line) for one in read_annotation_file(path, **options).report.refused]


@pytest.mark.parametrize(
    ("window", "kept", "code"),
    [
        ([8, 2], (2, 8), "R02"),
        ([-1, 8], (0, 8), "R03"),
        ([20, 31], (20, 30), "R04"),
        ([8, 2.5], (2.5, 8), "R02"),
        ([0, 40], (0, 30), "R04"),
    ],
)
def test_a_window_is_repaired_and_counted(tmp_path, window, kept, code):
    annotations = read_annotation_file(lines(tmp_path, ROW | {"relevant_windows": [window]}))
    assert annotations.queries[0].windows_s == (kept,)
    assert annotations.report.counts == {code: 1}


@pytest.mark.parametrize("window", [[30, 35], [5, 5], [40, 31]])
def test_a_window_outside_or_empty_is_dropped_with_its_query(tmp_path, window):
    annotations = read_annotation_file(lines(tmp_path, ROW | {"relevant_windows": [window]}))
    assert annotations.queries == ()
    assert annotations.report.counts["R05"] == 1


def test_an_end_far_after_the_video_is_called_suspicious(tmp_path):
    report = read_annotation_file(lines(tmp_path, ROW | {"relevant_windows": [[3, 34]]})).report
    assert (report.counts["R04"], report.suspicious) == (1, 1)


def test_windows_are_sorted_and_overlap_kept(tmp_path):
    annotations = read_annotation_file(lines(tmp_path, ROW | {"relevant_windows": [[6, 9], [1, 7]]}))
    assert annotations.queries[0].windows_s == ((1, 7), (6, 9))
    assert annotations.report.counts == {"R07": 1}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"query": "  "}, "E07"),
        ({"query": 3}, "E04"),
        ({"duration": "30"}, "E04"),
        ({"duration": True}, "E04"),
        ({"duration": 0}, "E09"),
        ({"relevant_windows": [[1, float("nan")]]}, "E05"),
        ({"relevant_windows": [[1, 1e9]]}, "E05"),
        ({"relevant_windows": [[1, "3.0"]]}, "E04"),
        ({"relevant_windows": [1, 3]}, "E04"),
        ({"relevant_windows": [[1, 2, 3]]}, "E04"),
        ({"relevant_windows": [[1, 10**400]]}, "E05"),
        ({"qid": [2]}, "E04"),
        ({"vid": None}, "E04"),
        ({"relevant_clip_ids": [1], "saliency_scores": [["high", 2, 3]]}, "E04"),
        ({"relevant_clip_ids": [1], "saliency_scores": [3]}, "E04"),
        ({"relevant_clip_ids": ["one"], "saliency_scores": [[1, 2, 3]]}, "E04"),
        ({"relevant_clip_ids": [1, 2], "saliency_scores": [[1, 2, 3], [4]]}, "E04"),
    ],
)
def test_a_bad_field_is_refused_and_the_other_rows_are_read(tmp_path, change, code):
    path = lines(tmp_path, ROW, ROW | {"qid": 2} | change, ROW | {"qid": 3, "query": "a cat"})
    assert refusals(path) == [(code, 2)]
    assert [query.query_id for query in read_annotation_file(path).queries] == ["1", "3"]


def test_a_misspelt_field_is_named_with_the_nearest(tmp_path):
    row = {("relevant_window" if name == "relevant_windows" else name): value for name, value in ROW.items()}
    refused = read_annotation_file(lines(tmp_path, row), format="qvhighlights").report.refused
    assert refused[0].code == "E03"
    assert "did you mean 'relevant_window'" in refused[0].message


def test_broken_json_is_refused_with_line_and_column(tmp_path):
    path = lines(tmp_path, ROW, '{"qid": 2, "query": "cut of')
    assert refusals(path) == [("E02", 2)]
    assert "column" in read_annotation_file(path).report.refused[0].message


def test_a_duplicate_id_names_both_rows(tmp_path):
    refused = read_annotation_file(lines(tmp_path, ROW, ROW | {"query": "other"})).report.refused
    assert refused[0].code == "E06"
    assert "rows 1 and 2" in refused[0].message


def test_two_durations_of_one_video_are_refused(tmp_path):
    assert refusals(lines(tmp_path, ROW, ROW | {"qid": 2, "duration": 31})) == [("E09", 2)]


def test_an_id_that_a_dropped_row_has_is_taken(tmp_path):
    assert refusals(lines(tmp_path, ROW | {"relevant_windows": [[40, 50]]}, ROW)) == [("E06", 2)]


def test_a_number_of_too_many_digits_is_refused(tmp_path):
    assert refusals(lines(tmp_path, ROW, json.dumps(ROW).replace('"qid": 1', '"qid": ' + "1" * 5000))) == [("E05", 2)]


@pytest.mark.parametrize("name", ["train.jsonl", "highlights.jsonl"])
def test_a_line_that_is_no_object_is_refused(tmp_path, name):
    first = ROW if name == "train.jsonl" else {**ROW, "relevant_windows": None, "label": [[1]]}
    assert refusals(lines(tmp_path, first, "[1]", "3", "null", name=name)) == [("E04", 2), ("E04", 3), ("E04", 4)]


def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path):
    assert refusals(lines(tmp_path, ROW, json.dumps(ROW | {"qid": 2})[:-1] + ', "vid": "w"}')) == [("E06", 2)]
    entry = '"s1.avi": {"timestamps": [[0, 5]], "sentences": ["he cuts"], "fps": 29.4, "num_frames": 300}'
    path = tmp_path / "train.json"
    path.write_text("{" + entry + ",\n" + entry + "}")
    (refused,) = read_annotation_file(path).report.refused
    assert (refused.code, refused.line) == ("E06", 2)
    assert "'s1.avi' stands twice in one object in lines 1 and 2" in refused.message


def test_a_window_up_to_the_last_frame_ends_with_the_video(tmp_path):
    path = tmp_path / "train.json"
    entries = {
        f"s{frames}.avi": {"timestamps": [[0, frames]], "sentences": ["he cuts"], "fps": 29.4, "num_frames": frames}
        for frames in range(100, 400)
    }
    path.write_text(json.dumps(entries))
    assert read_annotation_file(path).report.counts == {}


def test_strict_quotes_the_row_that_it_refuses(tmp_path):
    rows = [ROW | {"qid": place, "query": f"dog {place}", "relevant_windows": [[9, place / 10]]} for place in range(30)]
    annotations = read_annotation_file(lines(tmp_path, *rows), policy="strict")
    assert [one.message.split(" would")[0] for one in annotations.report.refused] == [
        f"(9.0, {place / 10})" for place in range(30)
    ]
    assert annotations.queries == ()


def test_unknown_fields_are_counted_once_a_name_and_kept(tmp_path):
    rows = [ROW | {"qid": place, "query": f"dog {place}", "mood": "calm"} for place in range(3)]
    annotations = read_annotation_file(lines(tmp_path, *rows, ROW | {"qid": 7, "place": "park"}))
    assert annotations.report.counts == {"R11": 2}
    assert [one.extras for one in annotations.queries] == [{"mood": "calm"}] * 3 + [{"place": "park"}]


@pytest.mark.parametrize("row", ["1,a,video1", "1,a,video1,a dog,more"])
@pytest.mark.parametrize("name", ["msrvtt", "didemo"])
def test_csv_rows_of_another_width_are_refused(tmp_path, row, name):
    path = tmp_path / "test.csv"
    good = {
        "msrvtt": "key,vid_key,video_id,sentence\nret0,msr1,video1,a dog\n",
        "didemo": "video_path,starts,ends,text\n/a/v.avi,tensor([0]),tensor([31]),a dog\n",
    }
    path.write_text(good[name] + row + "\n")
    assert refusals(path) == [("E02", 3)]
    assert len(read_annotation_file(path).queries) == 1


def test_columns_that_didemo_does_not_need_are_kept(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text(
        "success,video_path,starts,ends,text,formatted_data\n1,/a/v.avi,tensor([0]),tensor([31]),a dog,[]\n"
    )
    annotations = read_annotation_file(path)
    assert annotations.queries[0].extras == {"start_s": 0.0, "end_s": 31.0, "success": "1", "formatted_data": "[]"}
    assert annotations.report.counts == {"R11": 2}


@pytest.mark.parametrize(
    ("document", "code"),
    [([{"num_segments": "six"}], "E04"), ([3], "E04"), ({"annotation_id": 7}, "E02"), ([{"video": None}], "E04")],
)
def test_didemo_documents_of_another_form_are_refused(tmp_path, document, code):
    row = {"annotation_id": 7, "video": "v.mov", "description": "a dog", "times": [[2, 2]], "num_segments": 6}
    path = tmp_path / "val_data.json"
    path.write_text(
        json.dumps(
            [row | one if isinstance(one, dict) else one for one in document]
            if isinstance(document, list)
            else document
        )
    )
    assert [one.code for one in read_annotation_file(path, format="didemo").report.refused] == [code]


def test_a_table_of_durations_with_a_short_row_is_refused(tmp_path):
    path = tmp_path / "charades_sta_train.txt"
    path.write_text("AAAAA 1.0 3.0##one.\n")
    (tmp_path / "durations.csv").write_text("video_id,split,duration\nAAAAA,train\n")
    with pytest.raises(DataError, match=r"durations.csv, line 2: 2 cells; expected 3"):
        read_annotation_file(path)


def test_the_same_row_again_is_kept_and_counted(tmp_path):
    annotations = read_annotation_file(lines(tmp_path, ROW, ROW | {"qid": 2, "query": "A  dog runs"}))
    assert len(annotations.queries) == 2
    assert annotations.report.counts == {"R06": 1, "R09": 1}


def test_white_space_is_normalised_and_the_raw_text_kept(tmp_path):
    query = read_annotation_file(lines(tmp_path, ROW | {"query": " a\tdog \n runs "})).queries[0]
    assert query.text == "a dog runs"
    assert query.extras["raw_text"] == " a\tdog \n runs "


def test_byte_order_mark_crlf_and_missing_newline_lose_no_row(tmp_path):
    path = tmp_path / "val.jsonl"
    second = json.dumps(ROW | {"qid": 2, "query": "x"})
    path.write_bytes(b"\xef\xbb\xbf" + f"{json.dumps(ROW)}\r\n\r\n{second}".encode())
    annotations = read_annotation_file(path)
    assert len(annotations.queries) == 2
    assert annotations.report.counts == {"R01": 2}


def test_a_file_in_another_encoding_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b"\n" + '{"query": "Türe"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"E01 .*line 2 .*iconv"):
        read_annotation_file(path)


def test_strict_policy_refuses_every_repair(tmp_path):
    path = lines(tmp_path, ROW | {"relevant_windows": [[8, 2]]})
    assert refusals(path, policy="strict") == [("R02", 1)]


def test_highlight_rows_are_sent_to_their_own_reader(tmp_path):
    row = {name: value for name, value in ROW.items() if name != "relevant_windows"} | {"label": [[1], [2]]}
    path = lines(tmp_path, row)
    assert read_annotation_file(path).report.format == "highlights"
    assert refusals(path, format="qvhighlights") == [("E10", 1)]


def test_loading_for_use_raises_on_the_first_refused_row(tmp_path):
    with pytest.raises(DataError, match=r"E07 row 2.*1 more"):
        load_annotations(lines(tmp_path, ROW, ROW | {"qid": 2, "query": ""}, ROW | {"qid": 3, "query": ""}))


def test_charades_ids_stay_when_rows_are_dropped(tmp_path):
    path = tmp_path / "charades_sta_train.txt"
    path.write_text("AAAAA 1.0 3.0##one.\nAAAAA 40 50##gone.\nAAAAA 3.0 1.0##two##half.\nAAAAA 1.0##no end\n")
    annotations = read_annotation_file(path, durations={"AAAAA": 30.0})
    assert [query.query_id for query in annotations.queries] == ["train:1", "train:3"]
    assert annotations.queries[1].text == "two##half."
    assert [(one.code, one.line) for one in annotations.report.refused] == [("E02", 4)]


def test_didemo_segments_are_indices_of_five_seconds(tmp_path):
    path = tmp_path / "val_data.json"
    row = {"annotation_id": 7, "video": "v.mov", "description": "a dog", "times": [[2, 2], [2, 3]], "num_segments": 6}
    path.write_text(json.dumps([row]))
    annotations = read_annotation_file(path)
    assert annotations.report.format == "didemo"
    assert annotations.queries[0].windows_s == ((10.0, 15.0), (10.0, 20.0))


def test_lsmdc_lines_have_six_columns(tmp_path):
    path = tmp_path / "LSMDC16_train.csv"
    path.write_text('"1_Film_00.1\t1.0\t2.0\t3.0\t4.0\tSOMEONE walks.\nbroken\tline\n')
    annotations = read_annotation_file(path)
    assert [query.video_id for query in annotations.queries] == ["1_Film_00.1"]
    assert [one.code for one in annotations.report.refused] == ["E02"]


def test_activitynet_and_charades_cd_are_recognised(tmp_path):
    captions = tmp_path / "val_1.json"
    captions.write_text(json.dumps({"v_x": {"duration": 20.0, "timestamps": [[0, 5]], "sentences": ["a man sits"]}}))
    moments = tmp_path / "charades_test_ood.json"
    entry = {"timestamps": [[0, 5]], "sentences": ["a man sits"], "video_duration": 9.0, "framestamps": [[0, 80]]}
    moments.write_text(json.dumps({"AAAAA": entry | {"decode_fps": 16, "video_fps": -1}}))
    assert read_annotation_file(captions).report.format == "activitynet"
    report = read_annotation_file(moments).report
    assert (report.format, report.split) == ("charades-cd", "test_ood")


JSON_LINE = '{"qid": 2, "query": "a dog", "duration": 9, "vid": "v", "relevant_windows": [[1, 2]]}'


@pytest.mark.parametrize(
    ("name", "broken", "whole", "format", "code"),
    [
        ("sta_test.txt", "AAAAA 0.0 5.0 no marks", "AAAAA 1.0 3.0##one.", "charades-sta", "E02"),
        ("LSMDC_test.csv", "one\ttwo", "1\t2\t3\t4\t5\tSOMEONE walks.", "lsmdc", "E02"),
        ("cut_test.jsonl", JSON_LINE[:-1], JSON_LINE, "lighthouse", "E02"),
        ("no_qid_test.jsonl", JSON_LINE.replace('"qid"', '"qId"'), JSON_LINE, "lighthouse", "E03"),
        ("queries.test.jsonl", '{"video_id": "v"}', '{"query_id": "1", "video_id": "v", "text": "a"}', "ctf", "E03"),
    ],
)
def test_a_refused_first_row_does_not_hide_the_format(tmp_path, name, broken, whole, format, code):
    path = tmp_path / name
    path.write_text(f"{broken}\n{whole}\n")
    (tmp_path / "videos.jsonl").write_text('{"video_id": "v", "duration_s": 9.0}\n')
    report = read_annotation_file(path, durations={"AAAAA": 30.0} if format == "charades-sta" else None).report
    assert (report.format, report.refused[0].code, report.refused[0].line) == (format, code, 1)


@pytest.mark.parametrize("field", ["qid", "query", "vid"])
def test_a_field_that_every_row_lacks_is_named(tmp_path, field):
    path = tmp_path / "test.jsonl"
    path.write_text(JSON_LINE.replace(f'"{field}"', f'"{field}s"') + "\n")
    report = read_annotation_file(path).report
    assert report.format == "lighthouse"
    assert [(one.code, f"did you mean '{field}s'" in one.message) for one in report.refused] == [("E03", True)]


def test_lists_of_different_length_are_refused(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"s1.avi": {"timestamps": [[0, 5]], "sentences": [], "fps": 29.4, "num_frames": 300}}))
    assert refusals(path) == [("E04", 0)]


def test_an_unknown_file_says_what_it_begins_with(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello world\n")
    with pytest.raises(DataError, match="hello world"):
        read_annotation_file(path)


@pytest.mark.parametrize(("name", "split"), [("charades_test_ood", "test_ood"), ("highlight_val", "val"), ("x", "all")])
def test_the_split_is_read_from_the_file_name(tmp_path, name, split):
    assert guess_split(tmp_path / f"{name}.json") == split


MSRVTT = {
    "info": {"year": 2016},
    "videos": [{"video_id": "video1", "category": 3, "split": "train"}],
    "sentences": [
        {"caption": "a dog runs", "video_id": "video1", "sen_id": 4},
        {"caption": "a cat sits", "video_id": "video2", "sen_id": 5},
        {"caption": "the dog barks", "video_id": "video1", "sen_id": 6},
    ],
}


def test_the_captions_of_msrvtt_are_read(tmp_path):
    path = tmp_path / "MSRVTT_data.json"
    path.write_text(json.dumps(MSRVTT))
    annotations = load_annotations(path)
    assert (annotations.report.format, annotations.report.counts) == ("msrvtt-captions", {})
    assert [(one.query_id, one.video_id, one.text) for one in annotations.queries] == [
        ("video1:0", "video1", "a dog runs"),
        ("video2:0", "video2", "a cat sits"),
        ("video1:1", "video1", "the dog barks"),
    ]
    assert annotations.queries[2].extras == {"sen_id": 6}


def test_a_list_of_msrvtt_takes_the_captions_of_its_videos(tmp_path):
    path = tmp_path / "MSRVTT_train.9k.csv"
    path.write_text("video_id\nvideo1\nvideo3\n")
    with pytest.raises(DataError, match=r"no file .*MSRVTT_data\.json; expected the captions"):
        read_annotation_file(path)
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(MSRVTT))
    annotations = read_annotation_file(path)
    assert (annotations.report.format, annotations.report.split) == ("msrvtt-list", "train")
    assert [one.text for one in annotations.queries] == ["a dog runs", "the dog barks"]
    assert [(one.code, one.line) for one in annotations.report.refused] == [("E03", 3)]


def test_captions_of_msrvtt_without_their_fields_are_refused(tmp_path):
    path = tmp_path / "MSRVTT_data.json"
    path.write_text(json.dumps(MSRVTT | {"sentences": [*MSRVTT["sentences"], {"captions": "x", "sen_id": 1}, 3]}))
    assert refusals(path) == [("E03", 3), ("E04", 4)]
    path.write_text(json.dumps(MSRVTT | {"sentences": {"sen_id": 1}}))
    assert refusals(path) == [("E02", 1)]


def test_videos_without_duration_are_counted_and_the_first_five_named(tmp_path):
    path = tmp_path / "charades_sta_train.txt"
    path.write_text("".join(f"AAAA{place % 7} 1.0 3.0##number {place}.\n" for place in range(14)))
    with pytest.raises(DataError, match=r"E08 7 videos have no duration \(AAAA0, AAAA1, AAAA2, AAAA3, AAAA4, \.\.\.\)"):
        load_annotations(path)


def test_one_video_and_one_more_row_are_no_plurals(tmp_path):
    path = tmp_path / "charades_sta_train.txt"
    path.write_text("AAAA0 1.0 3.0##a dog runs.\n")
    with pytest.raises(DataError, match=r"E08 1 video has no duration \(AAAA0\);"):
        load_annotations(path)
    with pytest.raises(DataError, match=r"row 1: .*; 1 more row: see ctf data check"):
        load_annotations(lines(tmp_path, ROW | {"query": ""}, ROW | {"query": "", "qid": 2}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty; expected annotations"),
        (json.dumps([ROW, ROW]), r"holds a JSON list of rows; expected one row a line .* jq -c '\.\[\]'"),
        (json.dumps([ROW, ROW], indent=2), "holds a JSON list of rows; expected one row a line"),
        (json.dumps(ROW, indent=2), "holds a row over many lines; expected one row a line"),
        (
            json.dumps({"id": 1, "sentence": "a dog", "video": "v", "start": 2, "end": 8}),
            "holds rows with the fields id, sentence, video, start, end; expected .* such as qid",
        ),
        ("video,start,end,sentence\nv,2,8,a dog\n", "begins with 'video,start,end,sentence'; expected .* such as"),
        ("[[1, 2], [3, 4]]", "begins with .*; expected"),
    ],
)
def test_a_file_of_no_known_format_is_told_what_it_is(tmp_path, content, said):
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(DataError, match=said) as error:
        read_annotation_file(path)
    assert "\n" not in str(error.value)


def test_what_stands_behind_a_row_is_quoted(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(f"{json.dumps(ROW)},\n{json.dumps(ROW | {'qid': 2})}\n")
    (refused,) = read_annotation_file(path).report.refused
    assert refused.line == 1 and "',' after the end; expected nothing there" in refused.message


def test_a_row_without_windows_beside_others_is_counted(tmp_path):
    rows = [ROW, ROW | {"qid": 2, "relevant_windows": []}]
    assert read_annotation_file(lines(tmp_path, *rows)).report.counts == {"R12": 1}
    assert read_annotation_file(lines(tmp_path, rows[1])).report.counts == {}
