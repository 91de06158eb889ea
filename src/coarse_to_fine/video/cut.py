"""Cuts stretches out of videos into small MP4 files that every browser plays: H.264 pictures, AAC sound."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from coarse_to_fine.atomic_files import replacing
from coarse_to_fine.errors import UserError, VideoError, naming_video
from coarse_to_fine.video.caption import caption
from coarse_to_fine.video.container import describe
from coarse_to_fine.video.cut_plan import frames_of
from coarse_to_fine.video.picture import Picture, PictureSize
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.read import read_frames
from coarse_to_fine.video.sound import SOUND_RATE, coded_sound
from coarse_to_fine.video.video_file import VideoFile

if TYPE_CHECKING:
    from av.container import OutputContainer

TICK = Fraction(1, 90_000)

Bounds = tuple[float, float]
"""Start and end of a stretch, seconds."""


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
    piece, video = Piece(Path(path), start_s, end_s), probe(path)
    return _cut([piece], [video], [piece_bounds(piece, video)], Path(out), max_height)


def cut_reel(pieces: Sequence[Piece], out: str | Path, max_height: int | None = None) -> Path:
    """Writes stretches of videos one after the other into one MP4; the first one sets the size, others get bars.

    Raises:
        VideoError: there is no piece; or one is empty or its video cannot be read, which is named.
    """
    if not pieces:
        raise VideoError("no stretch to cut; expected at least one; search first")
    videos, bounds = [], []
    for piece in pieces:
        with naming_video(piece.path):
            videos.append(probe(piece.path))
            bounds.append(piece_bounds(piece, videos[-1]))
    return _cut(pieces, videos, bounds, Path(out), max_height)


def _cut(
    pieces: Sequence[Piece], videos: Sequence[VideoFile], bounds: Sequence[Bounds], out: Path, max_height: int | None
) -> Path:
    with complete_file(out) as unfinished:
        try:
            _write(unfinished, pieces, videos, bounds, max_height)
        except av.FFmpegError as error:
            expected = (
                f"expected a writable place; check {out.parent}"
                if isinstance(error, OSError)
                else "expected pictures and sound that can be coded; check that the video plays there"
            )
            raise VideoError(f"the clip cannot be written ({describe(error)}); {expected}") from error
    return out


def piece_bounds(piece: Piece, video: VideoFile) -> Bounds:
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
    """`replacing`, with its errors as one line.

    Raises:
        UserError: the folder cannot be made or written.
    """
    with ExitStack() as opened:
        try:
            unfinished = opened.enter_context(replacing(out))
        except OSError as error:
            raise UserError(
                f"nothing can be written into {str(out.parent)!r} ({error.strerror}); expected a folder to write into; "
                "choose another one"
            ) from error
        yield unfinished


def mux_in_time(out: OutputContainer, *streams: Iterable[Any]) -> None:
    """Writes the packets of several streams in the order of their decoding times."""
    for packet in heapq.merge(*streams, key=_decoding_time):
        out.mux(packet)


def _decoding_time(packet: Any) -> float:
    return float((packet.pts if packet.dts is None else packet.dts) * packet.time_base)


def _write(
    path: Path, pieces: Sequence[Piece], videos: Sequence[VideoFile], bounds: Sequence[Bounds], max_height: int | None
) -> None:
    size = _canvas(videos[0], max_height)
    offsets = [0.0, *itertools.accumulate(end - start for start, end in bounds)]
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = _picture_stream(out, *size, videos[0].average_fps)
        sound = out.add_stream("aac", rate=SOUND_RATE) if any(video.has_audio for video in videos) else None
        frames = itertools.chain.from_iterable(
            _frames(piece, video, own, offset, *size)
            for piece, video, own, offset in zip(pieces, videos, bounds, offsets)
        )
        mux_in_time(out, _coded(stream, frames, offsets[-1]), _sounds(sound, videos, bounds, offsets))


def _frames(
    piece: Piece, video: VideoFile, bounds: Bounds, offset_s: float, width: int, height: int
) -> Iterator[av.VideoFrame]:
    """The pictures of a stretch for the encoder, from `offset_s` on."""
    written = caption(piece.caption, width, height).on if piece.caption else None
    for time_s, picture in _pictures(video, *bounds, width, height):
        frame = av.VideoFrame.from_ndarray(written(picture) if written else picture, format="rgb24")
        frame.pts, frame.time_base = round((offset_s + time_s) / TICK), TICK
        yield frame


def _coded(stream: Any, frames: Iterable[av.VideoFrame], end_s: float) -> Iterator[Any]:
    """Packets of the frames; the last picture stays until `end_s`."""
    waiting = None
    for frame in itertools.chain(frames, (None,)):
        for packet in stream.encode(frame):
            if waiting is not None:
                yield waiting
            waiting = packet
    if waiting is not None:
        waiting.duration = max(1, round(end_s / TICK) - waiting.pts)
        yield waiting


def _sounds(
    sound: Any, videos: Sequence[VideoFile], bounds: Sequence[Bounds], offsets: Sequence[float]
) -> Iterator[Any]:
    """Packets of the sound of all stretches that have one; none without a stream."""
    for video, own, offset in zip(videos, bounds, offsets):
        if video.has_audio:
            yield from coded_sound(video, *own, sound, offset)
    if sound is not None:
        yield from sound.encode(None)


def _picture_stream(out: OutputContainer, width: int, height: int, fps: float) -> Any:
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = Fraction(min(max(fps, 1.0), 240.0)).limit_denominator(1001)
    stream: Any = out.add_stream(codec, rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = TICK
    # without pictures out of order, so that the last one in the file is the last on show and its duration counts
    stream.options = {"preset": "veryfast", "crf": "23", "bf": "0"} if codec == "libx264" else {"qscale": "4"}
    return stream


def _canvas(video: VideoFile, max_height: int | None) -> tuple[int, int]:
    """Even width and height: 4:2:0 pictures have no odd ones."""
    scale = min(1.0, max_height / video.height) if max_height else 1.0
    return max(2, round(video.width * scale / 2) * 2), max(2, round(video.height * scale / 2) * 2)


def _pictures(
    video: VideoFile, start_s: float, end_s: float, width: int, height: int
) -> Iterator[tuple[float, Picture]]:
    """(seconds from the start of the stretch, picture of the canvas size) for each frame of the stretch."""
    wanted = frames_of(video.frame_times_s, start_s, end_s)
    scale = min(width / video.width, height / video.height)
    size = PictureSize(max(1, round(min(video.width, video.height) * scale)), "short-side")
    times = video.frame_times_s[wanted.start : wanted.stop].tolist()
    for read in read_frames(video, times, size=size, threads="auto"):
        if not read.stands_in:
            yield max(0.0, read.time_s - start_s), _on_canvas(read.picture, width, height)


def _on_canvas(picture: Picture, width: int, height: int) -> Picture:
    """The picture in the middle of a black canvas, cut where it is larger."""
    if picture.shape[:2] == (height, width):
        return picture
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns = min(height, picture.shape[0]), min(width, picture.shape[1])
    top, left = (height - rows) // 2, (width - columns) // 2
    canvas[top : top + rows, left : left + columns] = picture[:rows, :columns]
    return canvas
