"""Runs the command in this process as the shell would: output, error stream and exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from coarse_to_fine.cli.main import run as run_command


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
