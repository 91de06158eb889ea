"""Cuts stretches out of videos into small MP4 files that every browser plays: H.264 pictures, AAC sound."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.caption import caption
from coarse_to_fine.video.container import describe, open_container, packets_of
from coarse_to_fine.video.picture import Picture, PictureSize
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.read import read_frames
from coarse_to_fine.video.sampling import frames_shown_at
from coarse_to_fine.video.video_file import VideoFile

if TYPE_CHECKING:
    from av.container import OutputContainer

TICK = Fraction(1, 90_000)
SOUND_RATE = 48_000
HOLDING_RATE = 25
"""A last picture that is on show for longer than two of these intervals is written again at the end to hold it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a video, seconds from its first frame, and a line to write into its pictures."""

    path: Path
    start_s: float
    end_s: float
    caption: str | None = None


def cut_clip(path: str | Path, start_s: float, end_s: float, out: str | Path, max_height: int | None = None) -> Path:
    """Writes [start_s, end_s] of a video to an MP4 whose first picture is the one on show at `start_s`.

    The pictures are upright with square pixels, keep their times, and are coded anew; sound is kept where it can be
    decoded. The file appears under its name when it is complete.

    Args:
        path: the video.
        start_s, end_s: seconds from the first frame; cut to the video's length.
        out: the MP4 to write; replaced if it exists.
        max_height: larger pictures are scaled down to this height.

    Raises:
        VideoError: the stretch is empty, or the video cannot be read.
    """
    return cut_reel([Piece(Path(path), start_s, end_s)], out, max_height)


def cut_reel(pieces: Sequence[Piece], out: str | Path, max_height: int | None = None) -> Path:
    """Writes stretches of videos one after the other into one MP4; the first one sets the size, others get bars.

    Raises:
        VideoError: there is no piece, a piece is empty, or a video cannot be read.
    """
    if not pieces:
        raise VideoError("no stretch to cut; expected at least one; search first")
    videos = [probe(piece.path) for piece in pieces]
    bounds = [piece_bounds(piece, video) for piece, video in zip(pieces, videos)]
    out = Path(out)
    with complete_file(out) as unfinished:
        try:
            _write(unfinished, videos, bounds, [piece.caption for piece in pieces], max_height)
        except av.FFmpegError as error:
            raise VideoError(
                f"the clip cannot be written ({describe(error)}); expected a writable place; check {out.parent}"
            ) from error
    return out


def piece_bounds(piece: Piece, video: VideoFile) -> tuple[float, float]:
    """Start and end of a piece in its video, seconds.

    Raises:
        VideoError: nothing of the stretch lies in the video.
    """
    start, end = max(0.0, piece.start_s), min(piece.end_s, video.duration_s)
    if not start < end:
        raise VideoError(
            f"the stretch {piece.start_s:.2f}-{piece.end_s:.2f} s is empty or outside the video of "
            f"{video.duration_s:.2f} s; expected 0 <= start < end <= duration; ask for another one"
        )
    return start, end


@contextmanager
def complete_file(out: Path) -> Iterator[Path]:
    """A temporary name beside `out` that becomes `out` if all went well and is removed if not."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".mp4", prefix=".unfinished-", dir=out.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.chmod(0o644)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(
    path: Path,
    videos: Sequence[VideoFile],
    bounds: Sequence[tuple[float, float]],
    captions: Sequence[str | None],
    max_height: int | None,
) -> None:
    width, height = _canvas(videos[0], max_height)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = _picture_stream(out, width, height, videos[0].average_fps)
        sound = out.add_stream("aac", rate=SOUND_RATE) if any(video.has_audio for video in videos) else None
        offset = 0.0
        for video, (start, end), text in zip(videos, bounds, captions):
            written = caption(text, width, height).on if text else None
            for time_s, picture in _pictures(video, start, end, width, height):
                frame = av.VideoFrame.from_ndarray(written(picture) if written else picture, format="rgb24")
                frame.pts, frame.time_base = round((offset + time_s) / TICK), TICK
                out.mux(stream.encode(frame))
            if sound is not None and video.has_audio:
                for frame in _sound(video, start, end, offset):
                    out.mux(sound.encode(frame))
            offset += end - start
        out.mux(stream.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))


def _picture_stream(out: OutputContainer, width: int, height: int, fps: float) -> Any:
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = Fraction(min(max(fps, 1.0), 240.0)).limit_denominator(1001)
    stream: Any = out.add_stream(codec, rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = TICK
    stream.options = {"preset": "veryfast", "crf": "23"} if codec == "libx264" else {"qscale": "4"}
    return stream


def _canvas(video: VideoFile, max_height: int | None) -> tuple[int, int]:
    """Even width and height: 4:2:0 pictures have no odd ones."""
    scale = min(1.0, max_height / video.height) if max_height else 1.0
    return max(2, round(video.width * scale / 2) * 2), max(2, round(video.height * scale / 2) * 2)


def _pictures(
    video: VideoFile, start_s: float, end_s: float, width: int, height: int
) -> Iterator[tuple[float, Picture]]:
    """(seconds from the start of the stretch, picture of the canvas size) for each frame of the stretch."""
    times = video.frame_times_s
    first = int(frames_shown_at(times, np.array([start_s]))[0])
    stop = max(first + 1, int(np.searchsorted(times, end_s - 1e-6)))
    scale = min(width / video.width, height / video.height)
    size = PictureSize(max(1, round(min(video.width, video.height) * scale)), "short-side")
    last: tuple[float, Picture] | None = None
    for read in read_frames(video, times[first:stop].tolist(), size=size, threads="auto"):
        if not read.stands_in:
            last = max(0.0, read.time_s - start_s), _on_canvas(read.picture, width, height)
            yield last
    held_until = end_s - start_s - 1 / HOLDING_RATE
    if last is not None and last[0] + 2 / HOLDING_RATE < held_until:
        yield held_until, last[1]


def _on_canvas(picture: Picture, width: int, height: int) -> Picture:
    """The picture in the middle of a black canvas, cut where it is larger."""
    if picture.shape[:2] == (height, width):
        return picture
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns = min(height, picture.shape[0]), min(width, picture.shape[1])
    top, left = (height - rows) // 2, (width - columns) // 2
    canvas[top : top + rows, left : left + columns] = picture[:rows, :columns]
    return canvas


def _sound(video: VideoFile, start_s: float, end_s: float, offset_s: float) -> Iterator[Any]:
    """Sound of the stretch as frames for the encoder; ends quietly where it cannot be decoded."""
    index = video.packets
    origin = float(int(index.stamps[index.frame_packets[0]]) * index.time_base) if index.clock == "pts" else 0.0
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
    with open_container(video.path) as container:
        stream = container.streams.audio[0]
        try:
            container.seek(max(0, int((origin + start_s - 1.0) * av.time_base)))
            for packet in packets_of(container, stream):
                for frame in stream.decode(packet):
                    time_s = float(frame.time or 0.0) - origin
                    if time_s >= end_s:
                        return
                    if time_s < start_s:
                        continue
                    for piece in resampler.resample(frame):
                        piece.pts = round((offset_s + time_s - start_s) * SOUND_RATE)
                        piece.time_base = Fraction(1, SOUND_RATE)
                        yield piece
        except (av.FFmpegError, ValueError):
            return
