"""Writes tiny real videos in a few milliseconds: moving coloured squares from a seed."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS = 64, 48, 5


def write_video(path: str | Path, seconds: float = 4.0, seed: int = 0, container: str = "mp4") -> Path:
    generator = np.random.default_rng(seed)
    color, ground = generator.integers(0, 256, (2, 3))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # opened by Python: FFmpeg would read `:` and `%` in odd names as its own
    with path.open("wb") as file, av.open(file, "w", format=container) as output:
        stream = output.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(max(1, round(seconds * FPS))):
            picture = np.broadcast_to(ground, (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()
            left = (number * 3 + seed) % (WIDTH - 16)
            picture[8:40, left : left + 16] = color
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path


def write_videos(folder: Path, count: int, first_seed: int = 0) -> list[Path]:
    """Videos `v000.mp4`, ... of different lengths."""
    return [
        write_video(folder / f"v{number:03d}.mp4", 2.0 + number % 4, first_seed + number) for number in range(count)
    ]


def set_older(path: Path, seconds: int = 100) -> None:
    """Another time of change with the same content."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - seconds * 10**9))
