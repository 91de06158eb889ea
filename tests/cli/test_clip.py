"""`ctf clip` writes playable files of the moments that `ctf search` shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coarse_to_fine.library import Library
from coarse_to_fine.video import probe
from tests.library.small_videos import write_video

FREE = ("--coarse", "mean-pool", "--fine", "similarity")


def test_clips_hold_the_moments_of_the_search(ctf, small_library, tmp_path):
    result = ctf("clip", "a dog", "--library", small_library, *FREE, "-k", "4", "--out", tmp_path / "clips", "--json")
    assert result.code == 0, result.err
    found = json.loads(ctf("search", "a dog", "--library", small_library, *FREE, "-k", "4", "--json").out)["hits"]
    clips = json.loads(result.out)["clips"]
    assert [{name: clip[name] for name in found[0]} for clip in clips] == found
    for clip in clips:
        assert probe(clip["clip"]).duration_s == pytest.approx(clip["end_s"] - clip["start_s"], abs=1e-3)
        assert (clip["coded"], "mpeg4" in clip["reason"]) == ("all", True)
        assert probe(clip["clip"]).codec == "h264"


def test_the_files_are_listed_one_a_line(ctf, small_library, tmp_path):
    result = ctf("clip", "a dog", "--library", small_library, *FREE, "-k", "3", "--out", tmp_path)
    assert sorted(result.out.splitlines()) == sorted(str(path) for path in tmp_path.iterdir())
    assert len(result.out.splitlines()) == 3
    assert "3 of 3 coded anew as a whole: its pictures are mpeg4" in result.err


def test_nothing_is_said_of_what_was_asked_for(ctf, small_library, tmp_path):
    for option in ("--recode", "--copy"):
        result = ctf("clip", "a dog", "--library", small_library, *FREE, "-k", "3", "--out", tmp_path, option)
        assert (result.code, result.err.count("coded anew")) == (0, 0)


def test_a_reel_joins_the_hits_with_their_padding(ctf, small_library, tmp_path):
    arguments = ("clip", "a dog", "--library", small_library, *FREE, "--path", "*.mp4", "-k", "2", "--json")
    short = json.loads(ctf(*arguments, "--reel", tmp_path / "short.mp4").out)
    long = json.loads(ctf(*arguments, "--reel", tmp_path / "long.mp4", "--pad", "0.5", "--no-captions").out)
    length = sum(hit["end_s"] - hit["start_s"] for hit in short["hits"])
    assert probe(short["reel"]).duration_s == pytest.approx(length, abs=0.01)
    assert probe(long["reel"]).duration_s > probe(short["reel"]).duration_s
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4", "short.mp4"]


def test_pictures_are_made_smaller(ctf, small_library, tmp_path):
    ctf("clip", "a dog", "--library", small_library, *FREE, "-k", "1", "--out", tmp_path, "--max-height", "24")
    assert probe(next(tmp_path.iterdir())).height == 24


def test_a_missing_video_gets_a_line_and_exit_code_one(ctf, tmp_path):
    for number in range(2):
        write_video(tmp_path / "videos" / f"v{number}.mp4", 4, number)
    with Library.create(tmp_path / "library.ctf") as library:
        library.add(tmp_path / "videos")
    (tmp_path / "videos" / "v0.mp4").unlink()
    result = ctf("clip", "a dog", "--library", tmp_path / "library.ctf", *FREE, "-k", "20", "--out", tmp_path / "clips")
    assert result.code == 1
    assert any("v0.mp4: the file is not where it was" in line for line in result.err.splitlines())
    written = result.out.splitlines()
    assert written
    assert all(" v1 " in Path(line).name for line in written)


def test_a_folder_that_cannot_be_written_gets_one_line(ctf, small_library, tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = ctf("clip", "a dog", "--library", small_library, *FREE, "--out", tmp_path / "file")
    assert result.code == 2
    assert "choose another one" in result.err.splitlines()[-1]


def test_nothing_found_is_said_and_nothing_is_written(ctf, small_library, tmp_path):
    arguments = ("--min-score", "1", "--out", tmp_path / "clips")
    result = ctf("clip", "a dog", "--library", small_library, *FREE, *arguments)
    assert (result.code, result.out) == (0, "")
    assert "nothing is cut" in result.err
    result = ctf("clip", "a dog", "--library", small_library, *FREE, *arguments, "--json")
    assert (result.code, json.loads(result.out)) == (0, {"clips": [], "failed": []})
    assert list(tmp_path.iterdir()) == []


def test_mistakes_get_one_line_and_exit_code_two(ctf, small_library, tmp_path):
    result = ctf("clip", "a dog", "--library", small_library, *FREE, "--reel", tmp_path / "reel.gif")
    assert result.code == 2
    assert "ends in .mp4" in result.err
    assert ctf("clip", "a dog", "--library", small_library, "--pad", "-1").code == 2
    result = ctf("clip", "a dog", "--library", small_library, "--copy", "--recode")
    assert (result.code, "leave the others out" in result.err) == (2, True)
