"""The examples in the help of `search`, `clip` and `plot` run as they stand, on a library of small real videos."""

from __future__ import annotations

import io
import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from coarse_to_fine.library import Library
from tests.cli.test_help import VERBS, examples

ASKING = ("search", "clip", "plot")
EXAMPLES = [
    pytest.param(line, id=line) for (name, *_), command in VERBS if name in ASKING for line in examples(command)
] + [pytest.param("cat sentences.txt | ctf search - --json", id="stdin")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with the files that the examples name, and a player that does nothing."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)).save("dog.jpg")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpv").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "mpv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_runs(ctf, small_library, folder, monkeypatch, line):
    before, _, command = line.rpartition("|")
    if before:
        assert before.strip() == "cat sentences.txt"
        monkeypatch.setattr(sys, "stdin", io.StringIO("a dog\na red cat jumps\n"))
    with Library.open(small_library, read_only=True) as library:
        known = library.videos()[0].video_id
    words = [known if word == "beach-01" else word for word in shlex.split(command)[1:]]
    if "--library" in words:
        words[words.index("--library") + 1] = str(small_library)
    else:
        words += ["--library", str(small_library)]
    result = ctf(*words)
    assert "Traceback" not in result.err
    if "--min-score" in words and words[0] == "clip":
        assert result.code in (0, 1)  # nothing may reach the score here, which is exit code 1
    else:
        assert result.code == 0, result.err
