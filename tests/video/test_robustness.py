"""Nothing leaks, nothing grows with length, nothing crashes on mutated containers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import PictureSize, plan_reading, probe, read_frames
from tests.open_files import needs_list_of_open_files, open_files
from tests.video.files import Recipe, cut_bytes, steady_times, write_video
from tests.video.reading import Film

STATUS = Path("/proc/self/status")
needs_proc = pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")
ROOT = Path(__file__).parents[2]


def resident_mb() -> float:
    return int(STATUS.read_text().partition("VmRSS:")[2].split()[0]) / 1024


def read_once(path: Path) -> None:
    video = probe(path)
    list(read_frames(video, plan_reading(video).times_s, size=PictureSize(64)))


def fuzz(folder: Path, count: int, seed: int) -> list[dict[str, object]]:
    """Outcomes of `count` mutated files; a crash of the reading process fails the test."""
    command = [sys.executable, "-m", "tests.video.fuzz", str(folder), str(count), str(seed)]
    run = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60 + count)
    lines = re.findall(r"^(\{.*?\}) (\{.*\})$", run.stdout, re.MULTILINE)
    assert run.returncode == 0, f"after {len(lines)} files: {run.stdout[-300:]} {run.stderr[-1500:]}"
    return [json.loads(before) | json.loads(after) for before, after in lines]


@needs_list_of_open_files
def test_files_are_closed_after_success_failure_and_an_early_end(film: Film, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    cut = cut_bytes(film("plain.mp4"), tmp_path / "cut.mp4", 0.7)
    read_once(film("plain.mp4"))
    before = open_files()
    for _ in range(5):
        read_once(film("plain.mp4"))
        read_once(cut)
        with pytest.raises(VideoError):
            probe(broken)
        next(iter(read_frames(probe(film("plain.mp4")), [0.0, 3.0])))
    assert open_files() - before == set()


def test_mutated_containers_give_pictures_or_one_line(tmp_path: Path) -> None:
    outcomes = fuzz(tmp_path, 40, seed=1)
    assert len(outcomes) == 40
    assert max(float(str(outcome["seconds"])) for outcome in outcomes) < 20


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_mutated_containers_give_pictures_or_one_line(tmp_path: Path, fuzz_files: int, fuzz_seed: int) -> None:
    """`--fuzz 10000` for the long run."""
    outcomes = fuzz(tmp_path, fuzz_files, fuzz_seed)
    assert len(outcomes) == fuzz_files
    assert max(float(str(outcome["seconds"])) for outcome in outcomes) < 20


@needs_proc
@pytest.mark.slow
def test_a_thousand_files_leave_nothing_behind(film: Film) -> None:
    path = film("no_bframes.mp4")
    for _ in range(100):
        read_once(path)
    memory, files = resident_mb(), open_files()
    for _ in range(900):
        read_once(path)
    assert open_files() - files == set()
    assert resident_mb() - memory < 10


@needs_proc
@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    recipe = Recipe(height=720, width=1280, gop=60)
    grown = []
    for seconds in (4, 24):
        video = probe(write_video(tmp_path / f"{seconds}.mp4", steady_times(seconds, 10), recipe))
        next(iter(read_frames(video, [0.0])))
        before, peak = resident_mb(), 0.0
        for _ in read_frames(video, video.frame_times_s.tolist(), size=PictureSize(112)):
            peak = max(peak, resident_mb() - before)
        grown.append(peak)
    assert grown[1] - grown[0] < 15
