"""`ctf extract` on an annotation file and a folder of videos: missing files, resuming, npz for other tools."""

from __future__ import annotations

import json

import numpy as np
import pytest

from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.features.training_set import training_examples
from tests.library.small_videos import write_video

IDS = [f"VID0{number}" for number in range(5)]


@pytest.fixture
def charades(tmp_path):
    """Five videos of 4 s, of which the last two have no file; one row needs a repair."""
    lines = [f"{name} 1.0 3.0##a square moves {name}.\n" for name in IDS]
    (tmp_path / "charades_sta_test.txt").write_text("".join(lines) + f"{IDS[0]} 2.0 9.0##a square stops.\n")
    (tmp_path / "durations.csv").write_text("video_id,duration\n" + "".join(f"{name},4.0\n" for name in IDS))
    for number, name in enumerate(IDS[:3]):
        write_video(tmp_path / "videos" / f"{name}.mp4", 4.0, number)
    return tmp_path


def extract(ctf, folder, *more):
    annotations = folder / "charades_sta_test.txt"
    return ctf("extract", annotations, "--videos", folder / "videos", "--out", folder / "out", *more)


def test_missing_videos_are_refused_with_their_ids(ctf, charades):
    result = extract(ctf, charades)
    assert result.code == 2
    assert "lacks 2 of 5 videos" in result.err and "VID03, VID04" in result.err
    assert not (charades / "out" / "videos").exists()


def test_the_rest_is_extracted_by_request_and_counted(ctf, charades):
    result = extract(ctf, charades, "--missing-video", "drop", "--npz", charades / "npz")
    assert result.code == 0
    assert "3 videos extracted, 0 were there, 0 failed, 2 absent and left out" in result.out
    for line in ("VID03: no file", "VID04: no file", "R04 end after the end of the video: cut: 1"):
        assert line in result.err
    examples = training_examples(charades / "out")
    assert [example.video_id for example in examples] == [*IDS[:3], IDS[0]]
    about = json.loads((charades / "out" / "annotations" / "dataset.json").read_text())
    encoder = FeatureReader(charades / "out" / "videos").manifest.encoder
    assert about["encoder"]["fingerprint"] == encoder["fingerprint"] in result.out
    assert len(about["source"]["sha256"]) == 64

    names = sorted(str(path.relative_to(charades / "npz")) for path in (charades / "npz").rglob("*.npz"))
    texts = [f"clip_text_features/qid{example.query_id}.npz" for example in examples]
    assert names == sorted(
        texts + [f"{kind}/{name}.npz" for kind in ("clip_features", "frame_features") for name in IDS[:3]]
    )
    clips = np.load(charades / "npz" / "clip_features" / "VID01.npz")["features"]
    np.testing.assert_array_equal(clips, examples[1].segment.clips)
    assert clips.shape == (2, encoder["width"]) and clips.dtype == np.float32
    text = np.load(charades / "npz" / "clip_text_features" / "qidtest:2.npz")
    np.testing.assert_array_equal(text["last_hidden_state"], examples[1].text.tokens)
    np.testing.assert_array_equal(text["pooler_output"], examples[1].text.embedding)
    assert json.loads((charades / "npz" / "provenance.json").read_text())["videos"]["encoder"] == dict(encoder)


def test_a_second_run_does_only_what_is_new(ctf, charades):
    extract(ctf, charades, "--missing-video", "drop")
    for number, name in enumerate(IDS[3:]):
        write_video(charades / "videos" / "more" / f"{name}.mp4", 4.0, number)
    report = json.loads(extract(ctf, charades, "--json").out)
    assert (report["made"], report["there"], report["absent"]) == (2, 3, [])
    assert len(training_examples(charades / "out")) == 6


def test_a_broken_file_is_one_line_and_exit_code_one(ctf, charades):
    (charades / "videos" / "VID03.mp4").write_bytes(b"no video")
    result = extract(ctf, charades, "--missing-video", "drop")
    assert result.code == 1
    assert sum("VID03" in line for line in result.err.splitlines()) == 1


def test_sentences_longer_than_the_encoder_takes_are_counted(ctf, tmp_path):
    path = tmp_path / "MSRVTT_JSFUSION_test.csv"
    long = " ".join(["a square moves"] * 100)
    path.write_text(f"key,vid_key,video_id,sentence\nret0,msr0,video1,a square\nret1,msr0,video1,{long}\n")
    write_video(tmp_path / "videos" / "video1.mp4", 4.0)
    for _ in range(2):
        result = ctf("extract", path, "--videos", tmp_path / "videos", "--out", tmp_path / "out")
        assert result.code == 0 and "R10 text longer than the encoder takes" in result.err
        report = json.loads((tmp_path / "out" / "annotations" / "report.test.json").read_text())
        assert report["repairs"]["R10"] == 1


def test_captions_without_durations_take_those_of_the_files(ctf, tmp_path):
    path = tmp_path / "MSRVTT_JSFUSION_test.csv"
    path.write_text("key,vid_key,video_id,sentence\nret0,msr0,video1,a square\nret1,msr1,video2,another\n")
    write_video(tmp_path / "videos" / "video1.mp4", 4.0)
    (tmp_path / "videos" / "video2.mp4").write_bytes(b"no video")
    result = ctf("extract", path, "--videos", tmp_path / "videos", "--out", tmp_path / "out")
    assert result.code == 1 and "video2" in result.err
    (example,) = training_examples(tmp_path / "out", coarse=True)
    assert (example.text.text, example.duration_s, len(example.windows_s)) == ("a square", 4.0, 0)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("world", "--videos", "many"), "how many videos of the world"),
        (("world", "--missing-video", "skip"), "expected refuse or drop"),
    ],
)
def test_wrong_options_are_the_users_mistake(ctf, tmp_path, arguments, problem):
    result = ctf("extract", *arguments, "--out", tmp_path / "out")
    assert result.code == 2 and problem in result.err


def test_a_source_that_is_not_there_is_no_annotation_file(ctf, tmp_path):
    result = ctf("extract", tmp_path / "my-annotations", "--split", "val", "--out", tmp_path / "out")
    assert result.code == 2
    assert f"nothing at {tmp_path / 'my-annotations'}; expected `world`, an annotation file, or a folder" in result.err


def test_a_file_of_our_layout_is_an_annotation_file(ctf, charades):
    layout, videos = charades / "layout", charades / "videos"
    extract(ctf, charades, "--missing-video", "drop")
    (charades / "out" / "annotations").rename(layout)
    file = layout / "queries.test.jsonl"
    result = ctf("extract", file, "--out", charades / "again")
    assert result.code == 2 and f"add --videos DIR, or give its folder: ctf extract {layout} --split test" in result.err
    assert ctf("extract", file, "--videos", videos, "--out", charades / "again").code == 0
    assert (charades / "again" / "annotations" / "queries.test.jsonl").read_text() == file.read_text()
