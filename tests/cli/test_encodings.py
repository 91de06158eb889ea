"""Terminals and pipes of any encoding: nothing fails for a letter, and JSON stays JSON."""

from __future__ import annotations

import io
import json
import pathlib
import shlex
import sys

import pytest

from coarse_to_fine.cli import output
from coarse_to_fine.cli.main import run

UNDECODABLE = "/videos/\udcff.mp4"


@pytest.fixture
def stdout_in(monkeypatch):
    """stdout_in("ascii") -> bytes that were written to it."""

    def replace(encoding):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        output.write_any_letter()
        return raw

    return replace


def search(monkeypatch, library, *more):
    monkeypatch.setattr(sys, "argv", ["ctf", "search", "a cat", "--library", str(library), *more])
    with pytest.raises(SystemExit) as stop:
        run()
    assert stop.value.code == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_search_is_readable_in_every_encoding(small_library, monkeypatch, stdout_in, encoding):
    options = ("--coarse", "mean-pool", "--fine", "similarity")
    raw = stdout_in(encoding)
    search(monkeypatch, small_library, *options)
    table = raw.getvalue().decode(encoding)
    assert ("━" if encoding == "utf-8" else "=") in table
    raw = stdout_in(encoding)
    search(monkeypatch, small_library, *options, "--json")
    paths = [hit["path"] for hit in json.loads(raw.getvalue().decode(encoding))["hits"]]
    assert any("ünï 视频 😀" in path for path in paths)


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("ascii", "vé/视.mp4", b"v\\xe9/\\u89c6.mp4"),
        ("cp1252", "vé/视.mp4", b"v\xe9/\\u89c6.mp4"),
        ("utf-8", UNDECODABLE, b"/videos/\xff.mp4"),
    ],
)
def test_paths_keep_their_bytes_and_other_letters_become_numbers(stdout_in, encoding, text, written):
    raw = stdout_in(encoding)
    print(text)
    assert raw.getvalue().strip() == written


def test_json_holds_paths_that_are_no_text(stdout_in):
    raw = stdout_in("utf-8")
    output.print_json({"path": UNDECODABLE})
    assert json.loads(raw.getvalue().decode("utf-8")) == {"path": UNDECODABLE}


def test_a_path_that_the_file_system_has_no_letters_for_is_shown_without_a_link(monkeypatch):
    def refuse(self):
        raise UnicodeEncodeError("ascii", str(self), 0, 1, "ordinal not in range(128)")

    monkeypatch.setattr(pathlib.Path, "as_uri", refuse)
    shown = output.linked_path("/vé/a.mp4")
    assert (str(shown), shown.style.link) == ("/vé/a.mp4", None)


def test_a_command_in_a_message_can_be_pasted(ctf, tmp_path):
    library = tmp_path / "my lib.ctf"
    said = ctf("search", "a cat", "--library", library).err
    command = said.partition("`")[2].partition("`")[0]
    assert shlex.split(command) == ["ctf", "index", "VIDEOS", "--library", str(library)]
