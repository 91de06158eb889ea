"""Places for results are checked before the work, and what the system refuses is one line, never a trace."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

UNDER_A_FILE = [
    ("search", "a cat", "--plot", "PLACE/a.png"),
    ("plot", "a cat", "--out", "PLACE/a.png"),
    ("clip", "a cat", "--out", "PLACE"),
    ("clip", "a cat", "--reel", "PLACE/a.mp4"),
    ("demo", "--out", "PLACE"),
    ("generate", "world", "--out", "PLACE"),
    ("generate", "captions", "a.json", "--train", "b.json", "--out", "PLACE/a.jsonl"),
    ("train", "encoder", "--config", "a.yaml", "--out", "PLACE"),
    ("train", "coarse", "--config", "a.yaml", "--train", "a", "--validation", "b", "--out", "PLACE"),
    ("train", "fine", "--config", "a.yaml", "--train", "a", "--validation", "b", "--out", "PLACE"),
    ("train", "fusion", "world", "--out", "PLACE/fusion.json"),
    ("run", "--config", "world", "--out", "PLACE"),
    ("extract", "world", "--out", "PLACE"),
    ("extract", "world", "--out", "a", "--npz", "PLACE"),
    ("weights", "import", "a.ckpt", "--out", "PLACE"),
    ("features", "import", "a", "--out", "PLACE"),
    ("library", "export", "PLACE"),
    ("evaluate", "predictions", "--predictions", "a", "--truth", "b", "--html", "PLACE/a.html"),
    ("evaluate", "compare", "a", "b", "--truth", "c", "--html", "PLACE/a.html"),
    ("evaluate", "fine", "a", "--fine", "mesm", "--html", "PLACE/a.html"),
    ("evaluate", "coarse", "a", "--coarse", "mean-pool", "--predictions", "PLACE/a.jsonl"),
    ("evaluate", "pipeline", "a", "--html", "PLACE/a.html"),
    ("evaluate", "pipeline", "a", "--predictions", "PLACE/a.jsonl"),
]


def one_line(result, *said):
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("ctf: ")
    assert result.err.count("\n") == 1
    for part in said:
        assert str(part) in result.err


@pytest.mark.parametrize("command", UNDER_A_FILE, ids=" ".join)
def test_a_place_under_a_file_is_refused_before_anything_else(ctf, tmp_path, command):
    (tmp_path / "file").touch()
    place = command[-1].replace("PLACE", str(tmp_path / "file"))
    one_line(ctf(*command[:-1], place), place, tmp_path / "file", "is no folder", "choose another")


def test_a_folder_in_place_of_a_file_is_refused(ctf, tmp_path):
    one_line(ctf("evaluate", "pipeline", "a", "--html", tmp_path), f"--html {tmp_path} is a folder")


def test_absent_folders_of_a_report_are_made(ctf, tmp_path):
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"qid": 1, "query": "a", "vid": "v", "duration": 10, "relevant_windows": [[0, 2]]}\n')
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"qid": 1, "query": "a", "vid": "v", "pred_relevant_windows": [[0, 2, 0.9]]}\n')
    page = tmp_path / "new" / "deeper" / "a.html"
    result = ctf("evaluate", "predictions", "--predictions", answers, "--truth", truth, "--html", page)
    assert result.code == 0, result.err
    assert page.is_file()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "feats/shard"), "feats/shard: No space left on device"),
        (OSError("cannot reach it"), "ctf: cannot reach it"),
    ],
)
def test_what_the_system_refuses_is_one_line(ctf, monkeypatch, tmp_path, error, said):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("coarse_to_fine.data_generation.world.generate_world", refuse)
    one_line(ctf("generate", "world", "--out", tmp_path / "world"), said, "expected", "--verbose")
    monkeypatch.setenv("CTF_VERBOSE", "1")
    with pytest.raises(OSError, match=error.strerror or str(error)):
        ctf("generate", "world", "--out", tmp_path / "world")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_behind_stdout_is_one_line():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "coarse_to_fine", "--version"]
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("ctf: No space left on device; expected")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["latin-99", "hex"])
def test_an_unknown_text_encoding_is_one_line(ctf, tmp_path, name):
    one_line(ctf("data", "check", tmp_path, "--encoding", name), f"--encoding {name}", "utf-8")
