"""`ctf index` and `ctf search` on folders as people have them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from tests.library.small_videos import write_video

ODD_NAMES = ["a b.mp4", 'it\'s "quoted".mkv', "ünï 视频 😀.webm", "-dash.mov", "100% #&;.mp4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five videos with odd names and three broken files."""
    place = tmp_path_factory.mktemp("videos ünï") / "in ner"
    place.mkdir()
    for number, name in enumerate(ODD_NAMES):
        container = {".mp4": "mp4", ".mov": "mov"}.get(Path(name).suffix, "matroska")
        write_video(place / name, seconds=4, seed=number, container=container)
    (place / "empty.mp4").write_bytes(b"")
    whole = (place / ODD_NAMES[0]).read_bytes()
    (place / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    with av.open(str(place / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 44100
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return place


@pytest.fixture(scope="module")
def library(folder, tmp_path_factory):
    return tmp_path_factory.mktemp("library") / "videos.ctf"


def test_every_good_file_is_indexed_and_every_bad_one_gets_a_line(ctf, folder, library):
    result = ctf("index", folder, "--library", library)
    assert result.code == 1
    for name in ("empty.mp4", "cut.mp4", "sound.mp4"):
        assert sum(name in line for line in result.err.splitlines()) == 1
    assert "Traceback" not in result.err
    listed = json.loads(ctf("library", "list", "--library", library, "--json").out)
    assert sorted(row["path"].rsplit("/", 1)[-1] for row in listed) == sorted(ODD_NAMES)


def test_a_second_run_has_nothing_to_do_and_still_names_the_failures(ctf, folder, library):
    ctf("index", folder, "--library", library)
    result = ctf("index", folder, "--library", library, "--json")
    report = json.loads(result.out)
    assert result.code == 1
    assert report["added"] == []
    assert len(report["skipped"]) == len(ODD_NAMES)
    assert {row["path"].rsplit("/", 1)[-1] for row in report["failed_before"]} == {"empty.mp4", "cut.mp4", "sound.mp4"}


def test_a_search_prints_one_json_document(ctf, folder, library):
    ctf("index", folder, "--library", library)
    result = ctf("search", "a red cat jumps", "--library", library, "--json", "-k", "3")
    found = json.loads(result.out)
    assert result.code == 0
    assert (found["query"], found["moment"]) == ("a red cat jumps", None)
    assert 1 <= len(found["hits"]) <= 3
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    for hit in found["hits"]:
        assert 0 <= hit["start_s"] < hit["end_s"] <= 4.3
        assert hit["segment"][0] <= hit["start_s"]
        assert {"video_id", "path", "score", "moment_score", "coarse_score", "coarse_rank"} <= hit.keys()
    assert "tiny-world" in result.err or "drawn world" in result.err


def test_a_search_prints_the_curve_of_each_video_found(ctf, folder, library):
    ctf("index", folder, "--library", library)
    found = json.loads(ctf("search", "a red cat jumps", "--library", library, "--json", "-k", "20").out)
    assert found["saliency"].keys() == {hit["video_id"] for hit in found["hits"]}
    for video_id, curve in found["saliency"].items():
        plotted = ctf(
            "plot", "a red cat jumps", "--video", video_id, "--library", library, "--json", "-o", library / "x.png"
        )
        assert curve == json.loads(plotted.out)["saliency"]
    without = ctf("search", "a red cat jumps", "--library", library, "--json", "--no-curves")
    assert "saliency" not in json.loads(without.out)


def test_the_table_shows_times_and_paths(ctf, folder, library):
    ctf("index", folder, "--library", library)
    result = ctf("search", "a dog on a beach", "-m", "the dog jumps", "--library", library)
    assert result.code == 0
    assert "0:0" in result.out
    assert "━" in result.out


def test_only_paths_one_a_line(ctf, folder, library):
    ctf("index", folder, "--library", library)
    lines = ctf("search", "a dog", "--library", library, "--paths-only", "-k", "50").out.splitlines()
    assert sorted(line.rsplit("/", 1)[-1] for line in lines) == sorted(ODD_NAMES)


@pytest.mark.parametrize("sentence", ["", "   ", "?!", "a", "x", "7", "of the and", "Is it there?", "__"])
def test_a_sentence_without_words_is_the_users_mistake(ctf, folder, library, sentence):
    ctf("index", folder, "--library", library)
    result = ctf("search", sentence, "--library", library)
    assert result.code == 2
    assert "such as" in result.err


@pytest.mark.parametrize("sentence", ["一只狗跳", "собака прыгает", "كلب يقفز", "🐕 x", "a" * 5000])
def test_any_script_is_searched_without_a_crash(ctf, folder, library, sentence):
    ctf("index", folder, "--library", library)
    result = ctf("search", sentence, "--library", library, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["query"] == sentence
    foreign = sentence[0] not in "a🐕"
    assert any("knows English alone" in note for note in found["notes"]) == foreign


def test_mistakes_get_one_line_and_exit_code_two(ctf, folder, tmp_path):
    for arguments in (
        ("search", "a cat", "--library", tmp_path / "nothing"),
        ("search", "a cat", "--library", tmp_path / "nothing", "--fine", "best"),
        ("index", folder, "--library", tmp_path / "x.ctf", "--encoder", "no-such-encoder"),
    ):
        result = ctf(*arguments)
        assert result.code == 2
        assert len(result.err.strip().splitlines()) == 1
        assert result.out == ""


def test_an_unknown_model_lists_the_known_ones(ctf, folder, library):
    ctf("index", folder, "--library", library)
    result = ctf("search", "a cat", "--library", library, "--fine", "best")
    assert result.code == 2
    assert "qd-detr" in result.err
    result = ctf("search", "a cat", "--library", library, "--coarse", "best")
    assert result.code == 2
    assert "t-mass" in result.err


def test_the_library_is_found_in_the_current_folder(ctf, folder, library, monkeypatch):
    ctf("index", folder, "--library", library)
    monkeypatch.chdir(library.parent)
    assert ctf("search", "a cat", "--json").code == 0
    monkeypatch.chdir(library)
    assert ctf("library", "info").code == 0
    monkeypatch.chdir(folder)
    assert ctf("library", "info").code == 2
