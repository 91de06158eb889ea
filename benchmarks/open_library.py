"""How long until a library of many segments is open, and until it gives its first and its second answer?

Makes a library of videos of one segment each (random frames of the bundled encoder's width, so that no video has to be
decoded), then opens it as a search does. The files lie in the system's memory afterwards, so the disk is not measured.
Prints a table and, as the last line, the same as JSON:

    python benchmarks/open_library.py --segments 1000000 --threads 2 --folder /tmp
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import torch

from coarse_to_fine import Library, Pipeline
from coarse_to_fine.library import changes
from coarse_to_fine.library.blocks import write_block
from coarse_to_fine.library.records import StoredVideo

A_BLOCK = 10_000
"""Segments of a block: some forty megabytes."""
SENTENCES = ("a red mug falls", "the dog runs to the left")


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=int, default=1_000_000, help="videos of one segment each")
    parser.add_argument("--coarse", default="t-mass", help="model of stage one")
    parser.add_argument("--fine", default="qd-detr", help="model of stage two")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--folder", type=Path, help="where the library is made and deleted; default: temporary")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "many.ctf"
        make(path, options.segments)
        seconds = measure(path, options)
    for name, value in seconds.items():
        print(f"{name:>24} {value:>10.3f} s")
    machine = f"{platform.machine()} {platform.processor()}".strip()
    about = {**vars(options), "folder": None, "torch": torch.__version__, "machine": machine}
    print(json.dumps(about | {"seconds": {name: round(value, 4) for name, value in seconds.items()}}))


def make(path: Path, segments: int) -> None:
    """A library whose catalogue and blocks are those of real videos; its files do not exist."""
    with Library.create(path, "tiny-world", device="cpu") as library:
        tile = torch.randn(min(segments, A_BLOCK), 12, library.embed_dim).half()
        for start in range(0, segments, A_BLOCK):
            count = min(A_BLOCK, segments - start)
            block = write_block(path, tile[:count], tile[:count, 0].contiguous())
            with library._catalogue.transaction() as connection:
                number = changes.insert_block(connection, block.file, block.sha256, block.bytes, count, count)
                for row in range(count):
                    one = described(start + row)
                    changes.insert_video(connection, one, [changes.SegmentWindow(0.0, 2.0, 0, 1)], number, row, row)


def described(number: int) -> StoredVideo:
    return StoredVideo(
        video_id=f"video{number:07d}",
        path=f"/videos/{number // 1000}/{number:07d}.mp4",
        size=1000,
        mtime_ns=number,
        sha256=f"{number:064x}",
        duration_s=2.0,
        width=320,
        height=240,
        fps=25.0,
        codec="h264",
        rotation=0,
        warnings=(),
        lost_s=(),
        added_at="2024-01-01T00:00:00+00:00",
        segment_count=1,
        clip_count=1,
    )


def measure(path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of each step of a search, in their order."""
    found = {}
    started = time.perf_counter()
    library = Library.open(path, read_only=True, device="cpu")
    found["open"] = time.perf_counter() - started
    started = time.perf_counter()
    assert library.info().segments == options.segments
    found["describe"] = time.perf_counter() - started
    pipeline = Pipeline.load(library, coarse=options.coarse, fine=options.fine, device="cpu")
    pipeline.library.encoder.encode_text(["a warm encoder"])
    for name, sentence in zip(("first answer", "second answer"), SENTENCES):
        started = time.perf_counter()
        assert pipeline.search(sentence, top_videos=10)
        found[name] = time.perf_counter() - started
    library.close()
    return found


if __name__ == "__main__":
    main()
