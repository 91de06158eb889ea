"""Writing a scene as an H.264 file with exact time stamps."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.data_generation.world.render import render_frame
from coarse_to_fine.data_generation.world.scene import Scene

STEADY_END = 8  # last ticks that all have a frame; with gaps there the container would state too short a duration


def frame_ticks(scene: Scene) -> Int64[np.ndarray, " N"]:
    """When each frame is shown, in ticks of 1 / fps; a variable rate leaves out up to three ticks after a frame."""
    total = round(scene.duration_s * scene.fps)
    if not scene.encoding.variable:
        return np.arange(total, dtype=np.int64)
    rng = random.Random(f"{scene.video_id}/ticks")
    ticks: list[int] = []
    tick = 0
    steady = max(0, total - STEADY_END)
    while tick < steady:
        step = rng.choice((1, 1, 1, 2, 2, 3, 4))
        run_end = min(steady, tick + step * rng.randint(4, 40))
        ticks.extend(range(tick, run_end, step))
        tick = ticks[-1] + step
    ticks.extend(range(steady, total))
    return np.array(ticks, dtype=np.int64)


def frame_times(scene: Scene) -> NDArray[np.float64]:
    """When each frame of the file is shown, seconds from its start."""
    return frame_ticks(scene) / scene.fps


def write_video(scene: Scene, path: Path) -> None:
    """Encode `scene` to `path` (MP4, yuv420p); the file appears under its name only when it is complete.

    The same scene gives the same bytes with the same version of the encoder.
    """
    with replacing(path) as unfinished:
        _encode(scene, unfinished)


def _encode(scene: Scene, path: Path) -> None:
    settings = scene.encoding
    options = {
        "crf": str(settings.crf),
        "preset": "superfast",
        "g": str(settings.key_distance),
        "x264-params": "mbtree=0",  # with B-frames it reads memory that nothing wrote, and the bytes differ by run
    }
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=settings.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, settings.fps)
        stream.codec_context.thread_type, stream.codec_context.thread_count = "FRAME", 1
        for tick in frame_ticks(scene).tolist():
            frame = av.VideoFrame.from_ndarray(render_frame(scene, tick / settings.fps), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, settings.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
