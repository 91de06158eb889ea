"""The programs of `benchmarks/` as modules, and a small library that they can search."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from coarse_to_fine import Library
from tests.library.small_videos import write_video

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SENTENCES = ["a red cat jumps", "a dog", "a blue boat", "the sea", "a car", "it grows", "rain"]


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch):
    """As for `python benchmarks/<program>.py`; forgotten afterwards: their names could stand for other modules."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    """Six videos in a library, and sentences about them."""
    folder = tmp_path_factory.mktemp("searched")
    for number in range(6):
        write_video(folder / "videos" / f"v{number}.mp4", 8.0, number)
    with Library.create(folder / "library.ctf", "tiny-world", device="cpu") as library:
        library.add(folder / "videos")
    rows = [
        {"query_id": f"q{number}", "video_id": f"v{number % 6}", "text": text, "windows_s": [[0.0, 2.0 + number % 6]]}
        for number, text in enumerate(SENTENCES)
    ]
    videos = [{"video_id": f"v{number}", "duration_s": 8.0, "fps": 5} for number in range(6)]
    for name, lines in (("queries.test.jsonl", rows), ("videos.jsonl", videos)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder
