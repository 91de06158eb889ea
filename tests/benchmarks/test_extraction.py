"""The benchmark of extraction: its files, and every way on a small one."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from coarse_to_fine.video import probe

SMALL = (96, 128, 10)


@pytest.fixture
def extraction(monkeypatch):
    import extraction

    monkeypatch.setattr(extraction, "SHAPES", {"720p30": SMALL})
    return extraction


def test_a_long_file_is_one_rendering_repeated(extraction, tmp_path):
    extraction.make(tmp_path / "long.mp4", "720p30", 30.0, 2.0)
    video = probe(tmp_path / "long.mp4")
    np.testing.assert_allclose(video.frame_times_s, np.arange(300) / 10, atol=1e-3)
    assert (video.lost, video.warnings) == ((), ())
    assert extraction.bare_decoding(str(tmp_path / "long.mp4")) == 300


def test_every_way_reads_what_it_says(extraction, tmp_path):
    extraction.make(tmp_path / "film.mp4", "720p30", 6.0, 2.0)
    frames = {name: way(str(tmp_path / "film.mp4")) for name, way in extraction.WAYS.items()}
    wanted = frames["wanted frames"]
    assert frames == dict.fromkeys(extraction.WAYS, wanted) | {"bare decoding": 60}
    assert 12 < wanted <= 15


@pytest.mark.slow
def test_the_program_prints_a_table_and_a_line_of_json(extraction, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["extraction.py", "--seconds", "4", "--repeats", "1", "--shapes", "720p30"])
    extraction.main()
    printed = capsys.readouterr().out.splitlines()
    (result,) = json.loads(printed[-1])["results"]
    assert result["label"] == "720p30 4 s"
    assert {len(row) for row in result["ways"].values()} == {4}
