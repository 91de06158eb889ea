"""Reads mutated video files in a process of its own, so that a crash is seen: `python -m tests.video.fuzz OUT N SEED`.

Prints one line of JSON a file: how it was mutated, what came of it, CPU seconds. The parent looks at the lines and
at the exit code.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import PictureSize, plan_reading, probe, read_frames
from tests.video.files import Recipe, steady_times, write_video

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
SEEDS = {
    "faststart.mp4": Recipe(container={"movflags": "+faststart"}, sound="aac"),
    "plain.mov": Recipe(bframes=False),
    "fragmented.mp4": Recipe(container=FRAGMENTED),
    "plain.mkv": Recipe(),
    "vp8.webm": Recipe(codec="libvpx"),
    "vp9.webm": Recipe(codec="libvpx-vp9"),
    "plain.ts": Recipe(sound="mp2"),
    "mpeg2.mpg": Recipe(codec="mpeg2video", time_base=None, options={"bf": "2"}),
    "mpeg4.avi": Recipe(codec="mpeg4", time_base=None, options={"bf": "2"}),
    "plain.flv": Recipe(codec="flv", time_base=None),
    "plain.wmv": Recipe(codec="wmv2", time_base=None),
    "hevc.mp4": Recipe(codec="libx265"),
    "refresh.mp4": Recipe(options={"x264-params": "keyint=10:intra-refresh=1:bframes=0"}),
    "open.ts": Recipe(options={"preset": "medium", "x264-params": "keyint=10:min-keyint=10:open-gop=1:bframes=3"}),
    "hidden.webm": Recipe(codec="libvpx", options={"deadline": "good", "auto-alt-ref": "1", "lag-in-frames": "16"}),
}


def write_seeds(folder: Path) -> list[Path]:
    return [write_video(folder / name, steady_times(1.5), recipe) for name, recipe in SEEDS.items()]


def mutations(seeds: list[bytes], count: int, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """(kind, number of the seed file, bytes): flips here or there, cuts, holes, doubled and swapped blocks."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        which = int(rng.integers(len(seeds)))
        data = bytearray(seeds[which])
        kind = str(rng.choice(["flip", "flip", "head", "tail", "cut", "hole", "gap", "double", "splice"]))
        start, length = int(rng.integers(len(data))), int(rng.integers(1, 2000))
        if kind in ("flip", "head", "tail"):
            low, high = {
                "flip": (0, len(data)),
                "head": (0, min(2000, len(data))),
                "tail": (max(0, len(data) - 2000), len(data)),
            }[kind]
            for place in rng.integers(low, high, int(rng.integers(1, 60))):
                data[place] ^= int(rng.integers(1, 256))
        elif kind == "cut":
            del data[start:]
        elif kind == "hole":
            data[start : start + length] = rng.integers(0, 256, len(data[start : start + length]), np.uint8).tobytes()
        elif kind == "gap":
            del data[start : start + length]
        elif kind == "double":
            data[start:start] = data[start : start + length]
        else:
            other = seeds[int(rng.integers(len(seeds)))]
            data[start:] = other[int(rng.integers(len(other))) :]
        yield kind, which, bytes(data)


def read_through(path: Path) -> str:
    """`read N lost M` or the one line of the error."""
    try:
        video = probe(path)
        reader = read_frames(video, plan_reading(video).times_s, size=PictureSize(32))
        count = sum(1 for _ in reader)
    except VideoError as error:
        if "\n" in str(error) or len(str(error)) > 400:
            raise AssertionError(f"not one line: {error!r}") from error
        return str(error)
    return f"read {count} lost {len(video.lost) + len(reader.lost)}"


def main(folder: Path, count: int, seed: int) -> None:
    paths = write_seeds(folder)
    target = folder / "mutated"
    for kind, which, data in mutations([path.read_bytes() for path in paths], count, seed):
        mutated = target.with_suffix(paths[which].suffix)
        mutated.write_bytes(data)
        print(json.dumps({"file": paths[which].name, "kind": kind}), end=" ", flush=True)
        start = time.process_time()
        outcome = read_through(mutated)
        print(json.dumps({"outcome": outcome, "seconds": round(time.process_time() - start, 3)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
