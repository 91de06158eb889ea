"""Runs the command in this process as the shell would: output, error stream and exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from coarse_to_fine.cli.main import run as run_command
from coarse_to_fine.library import Library
from tests.library.small_videos import set_older, write_video

NAMES = ("one dog.mp4", "ünï 视频 😀 'q\" #%&.mkv", "-dash.mov")


@pytest.fixture(scope="session")
def small_library(tmp_path_factory):
    """A library of three short videos with odd names, by the bundled encoder; the second file is ten days old."""
    folder = tmp_path_factory.mktemp("small library")
    for number, name in enumerate(NAMES):
        container = {".mp4": "mp4", ".mov": "mov"}.get(Path(name).suffix, "matroska")
        write_video(folder / "in ner" / name, 6 + number, number, container)
    set_older(folder / "in ner" / NAMES[1], 10 * 24 * 3600)
    with Library.create(folder / "library.ctf") as library:
        library.add(folder / "in ner")
    return folder / "library.ctf"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def ctf(capsys, monkeypatch):
    """ctf("search", "a cat", ...) -> Result."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ctf", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            run_command()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
