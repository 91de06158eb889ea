"""Memory stays bounded whatever the length of a video, the speed of the encoder and the number of files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coarse_to_fine.library import Library
from tests.features.long_videos import SIDE, STATUS, repeat_group
from tests.library.small_encoder import SmallEncoder
from tests.open_files import open_files
from tests.video.files import Recipe, steady_times, write_video

ROOT = Path(__file__).parents[2]
BOUND_MB = 96
"""Of one reader of 1080p: the decoder's reference pictures, and four batches of prepared pictures (19 MB at 224)."""

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="needs /proc")


def grown(folder: Path, seconds: float, fps: int, height: int, width: int, seconds_a_batch: float) -> dict[str, float]:
    """What reading a video of this length and shape adds to the memory of a warm process."""
    path = repeat_group(folder / "long.mp4", seconds, fps, height, width)
    warm_up = write_video(folder / "short.mp4", steady_times(4, 10), Recipe())
    command = [sys.executable, "-m", "tests.features.long_videos", str(path), str(warm_up), str(seconds_a_batch)]
    run = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    result: dict[str, float] = json.loads(run.stdout)
    assert result["missing"] == 0
    return result


def test_ten_minutes_with_a_slow_encoder_stay_within_the_bound(tmp_path: Path) -> None:
    result = grown(tmp_path, 600, 1, 120, 160, 0.05)
    assert result["pictures"] * SIDE * SIDE * 3 / 1e6 > 45  # all pictures at once would break the bound of this size
    assert result["grown_mb"] < 40


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_half_an_hour_of_1080p_with_a_slow_encoder_stays_within_the_bound(tmp_path: Path) -> None:
    result = grown(tmp_path, 1800, 10, 1080, 1920, 0.5)
    assert result["pictures"] >= 900
    assert result["pictures"] * SIDE * SIDE * 3 / 1e6 > BOUND_MB
    assert result["grown_mb"] < BOUND_MB


def index_in_parts(folder: Path, count: int, parts: int) -> tuple[list[float], list[set[tuple[str, str]]]]:
    """Resident memory and open files after each part of `count` tiny videos of different content."""
    seed = write_video(folder / "seed.mp4", steady_times(1, 5), Recipe(height=48, width=64)).read_bytes()
    memory, files = [], []
    with Library.create(folder / "library.ctf", SmallEncoder()) as library:
        for part in range(parts):
            videos = folder / f"part{part}"
            videos.mkdir()
            for number in range(count // parts):
                note = f"{part}/{number}".encode().ljust(24)  # a box of free space: another content, the same video
                (videos / f"{part}-{number}.mp4").write_bytes(seed + (32).to_bytes(4, "big") + b"free" + note)
            assert len(library.add([videos]).added) == count // parts
            memory.append(int(STATUS.read_text().partition("VmRSS:")[2].split()[0]) / 1024)
            files.append(open_files())
    return memory, files


def test_many_small_videos_leave_no_descriptor_open(tmp_path: Path) -> None:
    memory, files = index_in_parts(tmp_path, 60, 3)
    assert files[2] - files[1] == set()
    assert memory[2] - memory[1] < 10


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_small_videos_leave_nothing_behind(tmp_path: Path) -> None:
    memory, files = index_in_parts(tmp_path, 1000, 5)
    assert files[4] - files[1] == set()
    assert memory[4] - memory[1] < 12  # of 600 videos: their records and block maps, no pictures
