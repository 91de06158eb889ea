"""kill -9 at random moments loses at most the block at work, and the next run completes the library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coarse_to_fine import Library
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_videos

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name == "nt", reason="forks")
def test_killed_writers_lose_nothing_and_the_next_run_completes(tmp_path, request):
    kills = request.config.getoption("--kills", 4)
    write_videos(tmp_path / "videos", 40)
    (tmp_path / "videos" / "zero.mp4").write_bytes(b"")
    with Library.create(tmp_path / "undisturbed", SmallEncoder()) as library:
        started = time.perf_counter()
        library.add(tmp_path / "videos")
        seconds = time.perf_counter() - started
        expected = content(library)
    arguments = [tmp_path / "videos", tmp_path / "killed", tmp_path / "undisturbed", kills, kills, seconds]
    run = subprocess.run(
        [sys.executable, "-m", "tests.library.killing", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout)
    print(run.stdout)  # what a longer run (`--kills 200 --timeout 0 -s`) is asked for
    assert done["killed_at_work"] >= kills // 2, done
    with Library.open(tmp_path / "killed", SmallEncoder()) as library:
        library.add(tmp_path / "videos")
        assert content(library) == expected
        assert library.check().problems == ()
        blocks = {path.name for path in (tmp_path / "killed" / "blocks").iterdir()}
        assert len(blocks) == library.info().blocks
