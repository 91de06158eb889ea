"""`ctf plot` draws a video and prints its curve."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from coarse_to_fine.library import Library

FREE = ("--coarse", "mean-pool", "--fine", "similarity")


@pytest.fixture(scope="module")
def videos(small_library):
    with Library.open(small_library, read_only=True) as library:
        return library.videos()


def test_the_best_video_is_drawn(ctf, small_library, tmp_path):
    out = tmp_path / "new folder" / "dog.png"
    result = ctf("plot", "a dog", "--library", small_library, *FREE, "--out", out, "--width", "600")
    assert result.code == 0, result.err
    assert result.out.strip() == str(out)
    with Image.open(out) as image:
        assert image.size[0] == 600


def test_the_curve_has_one_value_a_clip(ctf, small_library, tmp_path, videos):
    for video in videos[:2]:
        for name in (video.video_id, video.path):
            out = ("--out", tmp_path / "x.png", "--json")
            found = json.loads(ctf("plot", "a dog", "--library", small_library, *FREE, "--video", name, *out).out)
            assert found["video_id"] == video.video_id
            assert found["clip_seconds"] == 2.0
            assert len(found["saliency"]) == video.clip_count
            assert found["hits"]


def test_the_hit_chooses_the_video(ctf, small_library, tmp_path):
    hits = json.loads(ctf("search", "a dog", "--library", small_library, *FREE, "-k", "9", "--json").out)["hits"]
    for place in (1, len(hits)):
        out = ("--out", tmp_path / "x.png", "--json")
        found = json.loads(ctf("plot", "a dog", "--library", small_library, *FREE, "--hit", str(place), *out).out)
        assert found["video_id"] == hits[place - 1]["video_id"]


def test_mistakes_get_one_line_and_exit_code_two(ctf, small_library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.txt").write_text("a dog\na cat\n")
    for arguments, expected in (
        (("a dog", "--video", "nothing"), "ctf library list"),
        (("a dog", "--hit", "1000"), "hit 1000"),
        (("--queries", "two.txt"), "one for a plot"),
        (("a dog", "--out", "plot.nothing"), "plot.png"),
        (("a dog", "--width", "1000000000"), "16000"),
    ):
        result = ctf("plot", *arguments, "--library", small_library, *FREE)
        assert result.code == 2, arguments
        assert expected in result.err
        assert len([line for line in result.err.splitlines() if "drawn world" not in line]) == 1
