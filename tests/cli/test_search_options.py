"""`ctf search` with filters, several queries, pictures, arithmetic, plots and players."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from coarse_to_fine.library import Library
from coarse_to_fine.video import probe, read_frames
from tests.cli.conftest import NAMES

FREE = ("--coarse", "mean-pool", "--fine", "similarity")


@pytest.fixture
def search(ctf, small_library):
    """search("a dog", ...) -> the parsed JSON document."""

    def call(*arguments):
        result = ctf("search", *arguments, "--library", small_library, *FREE, "--json", "-k", "20")
        assert result.code == 0, result.err
        return json.loads(result.out)

    return call


def names(document):
    return {Path(hit["path"]).name for hit in document["hits"]}


@pytest.fixture(scope="module")
def picture(small_library, tmp_path_factory):
    """A frame of the first video."""
    with Library.open(small_library, read_only=True) as library:
        path = next(video.path for video in library.videos() if video.path.endswith(NAMES[0]))
    frame = next(iter(read_frames(probe(path), [3.0]))).picture
    out = tmp_path_factory.mktemp("picture") / "frame.jpg"
    Image.fromarray(frame).save(out, quality=95)
    return out


def test_paths_are_filtered_by_a_pattern(search):
    assert names(search("a dog")) == set(NAMES)
    assert names(search("a dog", "--path", "*.mov")) == {"-dash.mov"}
    assert names(search("a dog", "--path", "*/in ner/ünï*")) == {NAMES[1]}


def test_files_are_filtered_by_date(search):
    assert names(search("a dog", "--since", "2d")) == {NAMES[0], NAMES[2]}
    assert names(search("a dog", "--since", "2020-01-31")) == set(NAMES)


def test_a_filter_that_nothing_fulfils_says_so(ctf, small_library):
    result = ctf("search", "a dog", "--library", small_library, *FREE, "--path", "*.nothing")
    assert result.code == 0
    assert "no moment found" in result.out
    assert "*.nothing" in result.err
    result = ctf("search", "a dog", "--library", small_library, *FREE, "--since", "yesterday")
    assert result.code == 2
    assert "2024-05-31" in result.err


def test_hits_below_the_least_score_are_left_out(search):
    scores = [hit["score"] for hit in search("a dog")["hits"]]
    middle = scores[len(scores) // 2]
    kept = [hit["score"] for hit in search("a dog", "--min-score", str(middle))["hits"]]
    assert kept == [score for score in scores if score >= middle]
    assert 0 < len(kept) < len(scores)


def test_sentences_come_from_stdin(search, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a dog\n\n  a red cat jumps \n"))
    found = search("-")
    assert [one["query"] for one in found["searches"]] == ["a dog", "a red cat jumps"]
    assert found["searches"][1]["hits"] == search("a red cat jumps")["hits"]


def test_sentences_come_from_a_file(search, tmp_path, ctf, small_library):
    (tmp_path / "sentences.txt").write_text("a dog\n一只狗跳\n", encoding="utf-8")
    found = search("--queries", tmp_path / "sentences.txt")
    assert [one["query"] for one in found["searches"]] == ["a dog", "一只狗跳"]
    table = ctf("search", "--queries", tmp_path / "sentences.txt", "--library", small_library, *FREE).out
    assert table.index("a dog") < table.index("0:0") < table.index("一只狗跳")


def test_a_picture_finds_its_own_video(search, picture):
    found = search("--image", picture)
    assert Path(found["hits"][0]["path"]).name == NAMES[0]
    assert found["query"] == "image frame.jpg"
    assert search("a dog", "--image", picture)["query"] == "a dog + image frame.jpg"


def test_what_is_added_and_taken_away_changes_the_scores(search):
    plain = search("a dog")["hits"]
    found = search("a dog", "--plus", "snow", "--minus", "night", "--minus", "fog")
    assert found["query"] == "a dog + snow - night - fog"
    assert [hit["coarse_score"] for hit in found["hits"]] != [hit["coarse_score"] for hit in plain]
    written = search("a dog", "+", "snow", "-", "night", "--minus", "fog")
    assert (written["query"], written["hits"]) == (found["query"], found["hits"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--image"),
        (("a dog", "--queries", "x.txt"), "leave one out"),
        (
            ("--queries", "no such file.txt"),
            "no such file.txt cannot be read (No such file or directory); expected text",
        ),
        (("a dog", "--minus", "a dog"), "cancel"),
        (("a dog", "-", "a dog"), "cancel"),
        (("a", "dog", "jumps"), "quotes"),
        (("a dog", "+"), "quotes"),
        (("a dog", "snow"), "quotes"),
        (("--image", "no such file.png"), "picture file"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_two(ctf, small_library, arguments, expected):
    result = ctf("search", *arguments, "--library", small_library, *FREE)
    assert result.code == 2
    assert expected in result.err
    assert result.out == ""
    assert "Traceback" not in result.err and "Errno" not in result.err


def test_empty_stdin_is_the_users_mistake(ctf, small_library, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(" \n"))
    result = ctf("search", "-", "--library", small_library)
    assert (result.code, "no sentence in stdin" in result.err) == (2, True)


def test_the_best_hit_is_drawn(ctf, small_library, tmp_path):
    result = ctf("search", "a dog", "--library", small_library, *FREE, "--plot", tmp_path / "best.png")
    assert result.code == 0
    with Image.open(tmp_path / "best.png") as image:
        assert image.size[0] == 1600
    assert "best.png" in result.err


def test_the_player_starts_at_the_hit(ctf, small_library, tmp_path, monkeypatch):
    script = tmp_path / "bin" / "mpv"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.unfinished"\n/bin/mv "$0.unfinished" "$0.arguments"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    result = ctf("search", "a dog", "--library", small_library, *FREE, "--open", "--json")
    best = json.loads(result.out)["hits"][0]
    deadline = time.monotonic() + 60
    while not Path(f"{script}.arguments").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert Path(f"{script}.arguments").read_text().splitlines() == [
        f"--start={best['start_s']:.3f}",
        "--",
        best["path"],
    ]


def test_a_row_stays_on_one_line_in_a_pipe(ctf, small_library):
    lines = ctf("search", "a dog", "--library", small_library, *FREE, "-k", "20").out.splitlines()
    with Library.open(small_library, read_only=True) as library:
        paths = {video.path for video in library.videos()}
    assert {path for path in paths for line in lines if line.endswith(path)} == paths
    assert all(line == line.rstrip() for line in lines)
    listed = ctf("library", "list", "--library", small_library).out.splitlines()
    assert len(listed) == 1 + len(paths)


def test_paths_are_links_on_a_terminal(small_library):
    """In a real terminal of 80 columns: an OSC 8 link to the file, and no row wider than the terminal."""
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    command = [sys.executable, "-m", "coarse_to_fine", "search", "a dog", "--library", str(small_library), *FREE]
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.DEVNULL, env=environment) as running:
        os.close(follower)
        parts = []
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
        assert running.wait(60) == 0
    os.close(leader)
    shown = b"".join(parts).decode()
    assert "\x1b]8;" in shown
    assert "file:///" in shown


def test_a_misspelt_path_makes_no_library(ctf, tmp_path):
    result = ctf("index", tmp_path / "nothing", "--library", tmp_path / "new.ctf")
    assert result.code == 2
    assert "check the spelling" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_search_loads_neither_a_video_library_nor_a_compiler(small_library):
    """Either would cost every start a tenth of a second or a whole one."""
    arguments = ["ctf", "search", "a dog", "--library", str(small_library), "--json"]
    heavy = ("av", "scipy", "torch._dynamo", "transformers", "matplotlib")
    lines = (
        f"import sys; sys.argv = {arguments!r}",
        "from coarse_to_fine.cli.main import app",
        "app(standalone_mode=False)",
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_sentence_that_is_no_utf_8_is_one_line(ctf, small_library, tmp_path):
    (tmp_path / "latin.txt").write_bytes("café\n".encode("latin-1"))
    for arguments in (("caf\udce9 dog",), ("--queries", str(tmp_path / "latin.txt"))):
        result = ctf("search", *arguments, "--library", small_library, *FREE)
        assert result.code == 2 and "UTF-8" in result.err and len(result.err.strip().splitlines()) == 1


def test_a_chosen_fusion_joins_the_scores(search, tmp_path):
    """With the weight of the coarse stage at 1 a score is the video's probability, the same for all its moments."""
    (tmp_path / "fusion.json").write_text('{"alpha": 1.0, "temperature": 0.05}')
    hits = search("a dog", "--fusion", str(tmp_path / "fusion.json"))["hits"]
    scores = {}
    for hit in hits:
        scores.setdefault(hit["path"], set()).add(round(hit["score"], 3))
    assert len(hits) > len(scores) and all(len(own) == 1 for own in scores.values())


def test_a_fusion_that_is_none_is_one_line(ctf, small_library, tmp_path):
    (tmp_path / "fusion.json").write_text('{"alpha": 2.0}')
    result = ctf("search", "a dog", "-l", small_library, *FREE, "--fusion", tmp_path / "fusion.json")
    assert result.code == 2 and "ctf train fusion" in result.err and len(result.err.strip().splitlines()) == 1
