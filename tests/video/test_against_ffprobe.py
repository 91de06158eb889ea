"""Frame times against those that `ffprobe` finds by decoding every frame; skipped where it is not installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from coarse_to_fine.video import probe
from tests.video.conftest import INTACT
from tests.video.files import rewrap
from tests.video.reading import Film

pytestmark = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")

TICK_S = 1.5e-3
"""Matroska stores milliseconds."""


def ffprobe_times(path: Path) -> list[float]:
    """Seconds from the first frame, in the order of showing; not a number where it cannot tell."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time"]
    run = subprocess.run([*command, "-of", "csv=p=0", str(path)], check=True, capture_output=True, text=True)
    shown = [line.strip(",") for line in run.stdout.splitlines() if line.strip(",")]
    times = [np.nan if time == "N/A" else float(time) for time in shown]
    return [time - times[0] for time in times]


@pytest.mark.parametrize("name", INTACT)
def test_frame_times_are_those_of_ffprobe(film: Film, name: str) -> None:
    found, expected = probe(film(name)).frame_times_s, np.array(ffprobe_times(film(name)))
    assert len(found) == len(expected)
    told = np.isfinite(expected)  # AVI has no presentation times
    assert told.all() or name.endswith(".avi")
    np.testing.assert_allclose(found[told], expected[told], atol=TICK_S)


def test_a_late_start_is_the_same_to_both(film: Film, tmp_path: Path) -> None:
    path = rewrap(film("sound.ts"), tmp_path / "late.ts", shift_s=582.336)
    np.testing.assert_allclose(probe(path).frame_times_s, ffprobe_times(path), atol=TICK_S)
