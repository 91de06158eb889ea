"""Makes small video files whose every picture carries its own number, and damaged or unusual ones from them.

The code is a 4x4 grid of cells in the middle of the picture, most significant bit first, inside a grey ring whose
four corners (white at the top left, black elsewhere) give the rotation. It survives lossy coding and resizing.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

GRID = 6
TICK = Fraction(1, 90000)


@dataclass(frozen=True)
class Recipe:
    """How a file is coded.

    Attributes:
        codec, options: encoder and its options.
        gop: frames between key frames.
        height, width: stored size.
        sound: name of the sound codec, or None.
        bframes: whether pictures are coded out of order.
        container: options of the container.
        sample_aspect_ratio: width of a pixel by its height.
        keys: pictures that are coded as key frames besides those of `gop`.
        in_order: how many pictures come before the first that is coded out of order.
    """

    codec: str = "libx264"
    gop: int = 12
    height: int = 120
    width: int = 160
    pix_fmt: str = "yuv420p"
    sound: str | None = None
    sound_first: bool = False
    bframes: bool = True
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    sample_aspect_ratio: Fraction | None = None
    rate: Fraction = Fraction(30)
    time_base: Fraction | None = TICK
    keys: tuple[int, ...] = ()
    in_order: int = 0


@functools.cache
def _ramp(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows * 2 + columns).astype(np.uint8)


def draw(number: int, height: int = 120, width: int = 160) -> np.ndarray:
    """Picture `number`: uint8 (height, width, 3), a moving gradient with the code grid on it."""
    base = _ramp(height, width) + np.uint8(5 * number % 256)
    picture = np.empty((height, width, 3), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = base, 255 - base, base + np.uint8(85)
    cell = min(height, width) // 2 // GRID
    top, left = (height - GRID * cell) // 2, (width - GRID * cell) // 2
    cells = np.full((GRID, GRID), 128, np.uint8)
    cells[0, 0], cells[0, -1], cells[-1, 0], cells[-1, -1] = 255, 0, 0, 0
    cells[1:5, 1:5] = np.array([255 if number >> (15 - bit) & 1 else 0 for bit in range(16)]).reshape(4, 4)
    grid = cells.repeat(cell, 0).repeat(cell, 1)
    picture[top : top + GRID * cell, left : left + GRID * cell] = grid[..., None]
    return picture


def read_code(picture: np.ndarray, height: int = 120, width: int = 160) -> tuple[int, int] | None:
    """(number, clockwise degrees by which the picture is turned), None when there is no code.

    picture: any resize of the whole upright picture; height, width: its proportions.
    """
    grey = picture.mean(-1)
    cell = min(height, width) // 2 / GRID
    steps = np.arange(GRID) - 2.5
    ys = grey.shape[0] * (0.5 + steps * cell / height)
    xs = grey.shape[1] * (0.5 + steps * cell / width)
    reach_y, reach_x = (max(1, int(0.2 * cell * shape / size)) for shape, size in zip(grey.shape, (height, width)))
    cells = np.array(
        [
            [grey[int(y) - reach_y : int(y) + reach_y, int(x) - reach_x : int(x) + reach_x].mean() for x in xs]
            for y in ys
        ]
    )
    for turns in range(4):
        turned = np.rot90(cells, turns)
        if turned[0, 0] > 190 and max(turned[0, 5], turned[5, 0], turned[5, 5]) < 70:
            bits = turned[1:5, 1:5].ravel() > 128
            return int(sum(int(bit) << (15 - place) for place, bit in enumerate(bits))), 90 * turns
    return None


def steady_times(seconds: float, rate: float | Fraction = 30) -> list[float]:
    return [float(index / Fraction(rate)) for index in range(max(1, round(seconds * rate)))]


def uneven_times(seconds: float) -> list[float]:
    """30 pictures a second, then 10, then none for 3 s, then about 24 with jitter."""
    rng, times, time = np.random.default_rng(1), [], 0.0
    while time < seconds:
        times.append(round(time, 4))
        if time < seconds / 3:
            time += 1 / 30
        elif time < seconds / 2:
            time += 0.1
        elif seconds / 2 <= time < seconds / 2 + 0.1:
            time += 3.0
        else:
            time += (1 + 0.5 * rng.uniform(-1, 1)) / 24
    return times


@contextmanager
def own_priority() -> Iterator[None]:
    """Take back the real-time priority that SVT-AV1 gives the thread that encodes, where it may (as root).

    Everything that the process starts afterwards would have it too, and keep all other processes from the cores.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def write_video(
    path: Path,
    times: Sequence[float],
    recipe: Recipe = Recipe(),
    first: int = 0,
    sound_seconds: float | None = None,
    numbers: Sequence[int] | None = None,
) -> Path:
    """A file whose picture i is shown at times[i] and carries the number first + i, or numbers[i]."""
    with own_priority(), av.open(str(path), "w", options=recipe.container) as out:
        if recipe.sound and recipe.sound_first:
            sound = out.add_stream(recipe.sound, rate=44100)
            video = open_video_stream(out, recipe)
        else:
            video = open_video_stream(out, recipe)
            sound = out.add_stream(recipe.sound, rate=_hertz(recipe.sound)) if recipe.sound else None
        packets = list(encode_pictures(video, times, recipe, numbers or range(first, first + len(times))))
        if sound is not None:
            packets += _tone(sound, sound_seconds or times[-1] + float(1 / recipe.rate))
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    return path


def open_video_stream(out: Any, recipe: Recipe) -> Any:
    stream = out.add_stream(recipe.codec, rate=recipe.rate)
    stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pix_fmt
    if recipe.time_base is not None:
        stream.codec_context.time_base = recipe.time_base
    if recipe.sample_aspect_ratio is not None:
        stream.codec_context.sample_aspect_ratio = recipe.sample_aspect_ratio
    stream.codec_context.gop_size = recipe.gop
    stream.codec_context.thread_count = 1
    stream.options = {**_codec_options(recipe), **recipe.options}
    return stream


def _codec_options(recipe: Recipe) -> dict[str, str]:
    if recipe.codec == "libx264":
        x264 = f"keyint={recipe.gop}:min-keyint={recipe.gop}:scenecut=0"
        return {"preset": "ultrafast", "crf": "20", "bf": "2" if recipe.bframes else "0", "x264-params": x264}
    if recipe.codec == "libx265":
        return {"preset": "ultrafast", "x265-params": f"log-level=none:pools=none:keyint={recipe.gop}"}
    if recipe.codec.startswith("libvpx"):
        return {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "400k"}
    return {"b": "2M"}


def encode_pictures(
    stream: Any, times: Sequence[float], recipe: Recipe, numbers: Sequence[int] | None = None
) -> Iterable[Any]:
    base = recipe.time_base or 1 / recipe.rate
    for index, time in enumerate(times):
        picture = draw(index if numbers is None else numbers[index], recipe.height, recipe.width)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = round(time / base), base
        if index in recipe.keys:
            frame.pict_type = PictureType.I
        elif 0 < index < recipe.in_order:
            frame.pict_type = PictureType.P
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _hertz(codec: str | None) -> int:
    return 48000 if codec == "libopus" else 44100


def _tone(stream: Any, seconds: float) -> list[Any]:
    hertz, packets = stream.rate, []
    layout, block = "stereo", 1024
    for position in range(0, int(seconds * hertz), block):
        wave = 0.2 * np.sin(2 * np.pi * 440 * (position + np.arange(block)) / hertz)
        if stream.codec_context.format.name == "fltp":
            frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]).astype(np.float32), "fltp", layout)
        else:
            frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16).repeat(2)[None], "s16", layout)
        frame.sample_rate, frame.pts, frame.time_base = hertz, position, Fraction(1, hertz)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def write_sound(path: Path, seconds: float = 2.0) -> Path:
    with av.open(str(path), "w", format="mp4") as out:
        for packet in _tone(out.add_stream("aac", rate=44100), seconds):
            out.mux(packet)
    return path


def rewrap(source: Path, target: Any, shift_s: float = 0.0, only: str | None = None, **options: Any) -> Path:
    """The same coded pictures in another container, all streams or only those of one kind `shift_s` later."""
    file = str(target) if isinstance(target, Path) else target
    with av.open(str(source)) as read, av.open(file, "w", **options) as write:
        streams = {stream.index: write.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.dts is not None:
                late = only is None or packet.stream.type == only
                shift = round(shift_s / packet.time_base) if late else 0
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream_index]
                write.mux(packet)
    return target


def without_packets(source: Path, target: Path, missing: range) -> Path:
    """The same pictures but for the packets of these numbers, as a damaged or lossy copy lacks them."""
    with av.open(str(source)) as read, av.open(str(target), "w") as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(packet for packet in read.demux(video=0) if packet.size):
            if number not in missing:
                packet.stream = stream
                write.mux(packet)
    return target


def turned(source: Path, target: Path, how: int | str) -> Path:
    """A copy of an MP4 whose display matrix turns the video clockwise by 90, 180 or 270 degrees or mirrors it."""
    data = bytearray(source.read_bytes())
    start = 0
    while (start := data.find(b"tkhd", start)) >= 0:
        matrix = start + 4 + (40 if data[start + 4] == 0 else 52)
        width, height = struct.unpack(">II", data[matrix + 36 : matrix + 44])
        if width and height:
            one = 1 << 16
            a, b, c, d, x, y = {
                90: (0, one, -one, 0, height, 0),
                180: (-one, 0, 0, -one, width, height),
                270: (0, -one, one, 0, 0, width),
                "left-right": (-one, 0, 0, one, width, 0),
                "up-down": (one, 0, 0, -one, 0, height),
            }[how]
            data[matrix : matrix + 36] = struct.pack(">iiiiiiiii", a, b, 0, c, d, 0, x, y, 1 << 30)
        start += 4
    target.write_bytes(data)
    return target


def cut_bytes(source: Path, target: Path, share: float) -> Path:
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def overwritten(source: Path, target: Path, start_share: float, length: int, seed: int = 0) -> Path:
    """A copy with `length` random bytes over the place at `start_share` of the file."""
    data = bytearray(source.read_bytes())
    start = int(len(data) * start_share)
    noise = np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8).tobytes()
    data[start : start + length] = noise[: len(data) - start]
    target.write_bytes(data)
    return target


def flipped(source: Path, target: Path, count: int, seed: int, from_share: float = 0.0) -> Path:
    data, rng = bytearray(source.read_bytes()), np.random.default_rng(seed)
    for position in rng.integers(int(len(data) * from_share), len(data), count):
        data[position] ^= int(rng.integers(1, 256))
    target.write_bytes(data)
    return target
