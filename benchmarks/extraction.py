"""How long reading the wanted frames takes, against bare decoding and against decoding everything at full size first.

Each way runs in its own process on each file, several times in turn; CPU seconds are medians. Prints a table and a
last line of JSON. Ten seconds are rendered; a longer file repeats their coded pictures, so it costs seconds to make.

    python benchmarks/extraction.py                      # 10 s of 720p30 and of 1080p60, about a minute
    python benchmarks/extraction.py --seconds 60         # one minute of each
    python benchmarks/extraction.py --seconds 600 --repeats 1
    python benchmarks/extraction.py --file holiday.mp4   # your own file
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from coarse_to_fine.encoders import ImageTextEncoder
from coarse_to_fine.video import PictureSize, plan_reading, probe, read_frames

SHAPES = {"720p30": (720, 1280, 30), "1080p60": (1080, 1920, 60)}
SIZE = 112
RENDERED_SECONDS = 10


def render(path: Path, height: int, width: int, fps: int, seconds: float, gop_seconds: float = 2.0) -> None:
    """An H.264 file with moving texture, B-frames and a key frame every `gop_seconds`."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (height // 8, width // 8 + 200, 3), dtype=np.uint8)
    texture = np.asarray(Image.fromarray(small).resize((width + 1600, height), Image.Resampling.BICUBIC))
    gop = round(gop_seconds * fps)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_type = "FRAME"
        stream.options = {"preset": "veryfast", "crf": "23", "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0"}
        for number in range(round(seconds * fps)):
            left = number * 5 % 1600
            picture = np.ascontiguousarray(texture[:, left : left + width])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


def make(path: Path, shape: str, seconds: float, gop_seconds: float) -> None:
    """A file of this shape; a multiple of RENDERED_SECONDS is put together from one rendering."""
    whole, rest = divmod(seconds, RENDERED_SECONDS)
    if whole < 2 or rest or RENDERED_SECONDS % gop_seconds:
        render(path, *SHAPES[shape], seconds, gop_seconds)
        return
    part = path.with_name("part.mp4")
    render(part, *SHAPES[shape], RENDERED_SECONDS, gop_seconds)
    repeat(part, path, round(whole))


def repeat(source: Path, path: Path, times: int) -> None:
    """The coded pictures of a file, `times` times one after the other; its groups of pictures are closed."""
    with av.open(str(source)) as read, av.open(str(path), "w", options={"movflags": "+faststart"}) as write:
        stream = read.streams.video[0]
        target = write.add_stream_from_template(stream)
        coded = [packet for packet in read.demux(stream) if packet.dts is not None]
        length = sum(packet.duration for packet in coded)
        content = [(bytes(one), one.pts, one.dts, one.duration, one.is_keyframe) for one in coded]
        for shift in range(0, times * length, length):
            for data, pts, dts, duration, is_key in content:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = target, stream.time_base, is_key
                packet.pts, packet.dts, packet.duration = pts + shift, dts + shift, duration
                write.mux(packet)


def bare_decoding(path: str) -> int:
    """Every frame decoded, nothing done with it."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def wanted_frames(path: str) -> int:
    """What indexing reads: probe, plan, and the wanted frames at the encoder's size."""
    video = probe(path)
    return sum(1 for _ in read_frames(video, plan_reading(video).times_s, size=PictureSize(SIZE)))


def wanted_frames_full_size(path: str) -> int:
    """The same frames at full size, resized by Pillow (what an encoder with its own resizing gets)."""
    video = probe(path)

    def small(picture: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC))

    return sum(1 for _ in read_frames(video, plan_reading(video).times_s, small))


def everything_at_full_size(path: str) -> int:
    """The habit of the field: every frame as full-size RGB, then the wanted ones resized."""
    wanted = set(plan_reading(probe(path)).times_s)
    count = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            picture = frame.to_ndarray(format="rgb24")
            if min((abs(frame.time - time) for time in wanted), default=1.0) < 1e-4:
                Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
                count += 1
    return count


@functools.cache
def tiny_encoder() -> ImageTextEncoder:
    from coarse_to_fine.encoders import load_encoder

    return load_encoder("tiny-world")


def indexing(path: str) -> int:
    """Decoding and encoding as indexing does them, one worker, the bundled encoder, nothing stored."""
    from coarse_to_fine.features.files import FilePictures
    from coarse_to_fine.features.pictures import embed_videos
    from coarse_to_fine.features.sampling import Sampling

    encoder = tiny_encoder()
    (outcome,) = embed_videos([lambda: FilePictures(path, encoder, Sampling())], encoder, workers=1)
    if outcome.error is not None:
        raise outcome.error
    return len(outcome.source.plan.times_s)


WAYS: dict[str, Callable[[str], int]] = {
    "bare decoding": bare_decoding,
    "wanted frames": wanted_frames,
    "wanted frames, full size": wanted_frames_full_size,
    "everything at full size": everything_at_full_size,
    "indexing, bundled encoder": indexing,
}


def measure(name: str, path: str) -> dict[str, float]:
    """CPU and wall seconds, number of frames and growth of peak memory (MB) of one way in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(name, path, send))
    process.start()
    result = receive.recv()
    process.join()
    return result


def _child(name: str, path: str, send: multiprocessing.connection.Connection) -> None:
    if WAYS[name] is indexing:
        torch.set_num_threads(1)
        tiny_encoder().encode_images(torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8))
    before = _peak_mb(reset=True)
    cpu, wall = time.process_time(), time.perf_counter()
    frames = WAYS[name](path)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    send.send({"frames": frames, "cpu_s": cpu, "wall_s": wall, "peak_mb": _peak_mb() - before})


def _peak_mb(reset: bool = False) -> float:
    """Highest resident memory of this process; Linux can start the count anew, others count from the start."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if platform.system() == "Darwin" else 1024)
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def compare(label: str, path: str, seconds: float, repeats: int) -> dict[str, object]:
    runs = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name in WAYS:
            runs[name].append(measure(name, path))
    rows = {
        name: {key: statistics.median(run[key] for run in results) for key in results[0]}
        for name, results in runs.items()
    }
    bare = rows["bare decoding"]["cpu_s"]
    print(f"\n{label}: {seconds:.0f} s of video, {Path(path).stat().st_size / 1e6:.1f} MB, median of {repeats}")
    print(f"{'':26}{'frames':>8}{'CPU s':>9}{'of bare':>9}{'x real time':>13}{'files/min':>11}{'peak MB':>9}")
    for name, row in rows.items():
        print(
            f"{name:26}{row['frames']:8.0f}{row['cpu_s']:9.2f}{row['cpu_s'] / bare:9.2f}"
            f"{seconds / row['wall_s']:13.0f}{60 / row['wall_s']:11.1f}{row['peak_mb']:9.0f}"
        )
    return {"label": label, "seconds": seconds, "ways": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0], help="lengths of the rendered files")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--gop", type=float, default=2.0, help="seconds between key frames of the rendered files")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--file", type=Path, help="measure this file instead of rendered ones")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        if options.file:
            results.append(
                compare(options.file.name, str(options.file), probe(options.file).duration_s, options.repeats)
            )
        for shape in [] if options.file else options.shapes:
            for seconds in options.seconds:
                path = Path(folder) / f"{shape}_{seconds:g}.mp4"
                make(path, shape, seconds, options.gop)
                results.append(compare(f"{shape} {seconds:g} s", str(path), seconds, options.repeats))
                path.unlink()
    about = {"machine": platform.machine(), "python": platform.python_version(), "av": av.__version__}
    print(json.dumps({"benchmark": "extraction", **about, "results": results}))


if __name__ == "__main__":
    main()
