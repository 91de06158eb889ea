"""The player that the machine has is started with the file at the time of the hit."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from coarse_to_fine.errors import UserError
from coarse_to_fine.hits.players import open_hit, player_command
from tests.video.files import Recipe, rewrap, steady_times, write_video

SCRIPT = """#!/bin/sh
for part in "$@"; do printf "%s\\n" "$part"; done > "$0.unfinished"
/bin/mv "$0.unfinished" "$0.arguments"
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """machine("mpv"): puts a program of that name into an otherwise empty PATH; it writes down its arguments."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place))

    def install(name):
        (place / name).write_text(SCRIPT)
        (place / name).chmod(0o755)
        return place / f"{name}.arguments"

    return install


def arguments(file):
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return file.read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mpv", "--start=1.000"), ("vlc", "--start-time=1.000"), ("mplayer", "1.000"), ("ffplay", "1.000")],
)
def test_a_player_starts_at_the_hit(hits, machine, name, expected):
    file = machine(name)
    assert open_hit(hits[0]) is True
    given = arguments(file)
    assert expected in given
    assert given[-1] == hits[0].path


def test_the_named_player_is_taken_before_others(hits, machine):
    machine("mpv")
    machine("vlc")
    assert player_command(hits[0], "vlc")[0][0].endswith("vlc")
    assert player_command(hits[0])[0][0].endswith("mpv")


def test_the_desktops_opener_plays_from_the_beginning(hits, machine):
    file = machine("xdg-open")
    assert open_hit(hits[0]) is False
    assert arguments(file) == [hits[0].path]


def test_mistakes_are_said_in_words(hits, machine):
    with pytest.raises(UserError, match="ctf serve"):
        open_hit(hits[0])
    with pytest.raises(UserError, match="expected one of mpv"):
        open_hit(hits[0], "paint")
    machine("mpv")
    with pytest.raises(UserError, match="expected vlc in PATH"):
        open_hit(hits[0], "vlc")


@pytest.mark.parametrize(("only", "start"), [(None, 1.0), ("video", 4.0)])
def test_players_count_from_the_beginning_of_the_file_and_not_from_its_first_picture(
    hits, machine, tmp_path, only, start
):
    machine("mpv")
    source = write_video(tmp_path / "source.mp4", steady_times(4), Recipe(sound="aac"))
    late = rewrap(source, tmp_path / "late.mp4", 3.0, only)
    command, _ = player_command(replace(hits[0], path=str(late)))
    assert float(command[1].removeprefix("--start=")) == pytest.approx(start, abs=0.05)
