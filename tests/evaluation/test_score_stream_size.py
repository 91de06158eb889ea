"""A gallery of 50 000 videos: bounded memory, and the same answers however it is cut."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib, json, sys
import numpy as np
from tests.evaluation.peak_memory import peak_mib
from coarse_to_fine.evaluation.score_stream import ScoreBlock, rank_stream
VIDEOS, QUERIES, DRAWN = 50_000, 500, 4096
WIDTH = int(sys.argv[1])
true = [[int(video)] for video in np.random.default_rng(1).integers(0, VIDEOS, QUERIES)]

def drawn(first):
    # a few levels only, so that most ranks hang on ties
    rng = np.random.default_rng(first)
    return (rng.integers(0, 5000, (QUERIES, min(DRAWN, VIDEOS - first))) / 8).astype(np.float32)

def stream():
    for first in range(0, VIDEOS, DRAWN):
        scores = drawn(first)
        for start in range(0, scores.shape[1], WIDTH):
            yield ScoreBlock(first + start, scores[:, start : start + WIDTH])

found = rank_stream(stream, true)
digest = hashlib.sha256(repr(found.standings).encode())
digest.update(found.top_videos.tobytes() + found.top_scores.tobytes())
print(json.dumps({"sha256": digest.hexdigest(), "peak_mib": peak_mib(), "videos": found.videos}))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_thousand_videos_rank_the_same_in_blocks_of_1_7_and_4096() -> None:
    runs = []
    for width in (4096, 7, 1):
        command = [sys.executable, "-c", PROGRAM, str(width)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        runs.append(json.loads(done.stdout))
    assert {run["videos"] for run in runs} == {50_000}
    assert len({run["sha256"] for run in runs}) == 1
    assert max(run["peak_mib"] for run in runs) < 2048
