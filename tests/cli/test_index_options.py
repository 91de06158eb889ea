"""How `ctf index` and `ctf extract` compute features is asked for once and kept."""

from __future__ import annotations

import json

from tests.library.small_videos import write_video


def test_a_run_that_finds_nothing_says_so_and_so_does_a_search_in_it(ctf, tmp_path):
    (tmp_path / "empty").mkdir()
    result = ctf("index", tmp_path / "empty", "--library", tmp_path / "new.ctf", "--only", "*.xyz")
    assert "no videos that match '*.xyz'" in result.err
    assert "holds no videos" in ctf("search", "a dog", "--library", tmp_path / "new.ctf").err


def test_index_takes_the_precision_and_search_follows_it(ctf, tmp_path):
    write_video(tmp_path / "one.mp4", 4.0)
    library = tmp_path / "fast.ctf"
    assert ctf("index", tmp_path / "one.mp4", "-l", library, "--precision", "bf16").code == 0
    found = ctf("search", "a red ball", "-l", library, "--coarse", "mean-pool", "--fine", "similarity", "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["hits"]
    refused = ctf("index", tmp_path / "one.mp4", "-l", library, "--precision", "fp32")
    assert refused.code == 2
    assert "made in precision bf16, not fp32" in refused.err
    assert ctf("index", tmp_path / "one.mp4", "-l", library, "--precision", "int4").code == 2
