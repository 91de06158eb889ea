"""The benchmark of the coarse evaluation: both paths agree, and blocks need a fraction of the memory of all lists."""

from __future__ import annotations

import json

import pytest


def measured(capfd, *arguments: object) -> list[dict]:
    import coarse_evaluation

    small = "--width", 16, "--frames", 1, "--threads", 1
    coarse_evaluation.main([str(each) for each in (*arguments, *small)])
    return json.loads(capfd.readouterr().out.splitlines()[-1])["rows"]


def test_blocks_and_the_whole_matrix_agree(capfd):
    blocks, whole = measured(capfd, "--videos", 300, "--queries", 400)
    assert (blocks["path"], whole["path"]) == ("blocks", "whole")
    assert blocks["metrics"].items() >= whole["metrics"].items() and blocks["metrics"]["MedR"] > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_memory_of_blocks_does_not_grow_with_the_pairs(capfd):
    """64 million pairs: their scores alone are 256 MB, lists of all videos 1 GB more."""
    (blocks,) = measured(capfd, "--videos", 8000, "--queries", 8000, "--paths", "blocks")
    assert blocks["megabytes_on_top"] < 400
