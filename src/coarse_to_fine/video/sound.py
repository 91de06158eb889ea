"""The sound of a stretch of a video: packets as they are, or decoded for coding anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

from coarse_to_fine.video.container import open_container, packets_of

if TYPE_CHECKING:
    from coarse_to_fine.video.video_file import VideoFile

SOUND_RATE = 48_000
MP4_SOUND = frozenset(("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"))
NEARLY_S = 1e-3
SEEK_BEFORE_S = (1.0, 10.0, 1e6)
"""A seek may land behind the sound that is wanted, so it aims further and further before it."""


def sound_codec(video: VideoFile) -> str | None:
    """Name of the codec of the first sound, None if there is none that can be decoded."""
    if not video.has_audio:
        return None
    with open_container(video.path) as container:
        context = container.streams.audio[0].codec_context
        return str(context.name) if context is not None else None


def copied_sound(video: VideoFile, start_s: float, end_s: float, made: Any) -> Iterator[Any]:
    """Packets of [start_s, end_s) for the output stream `made`, times counted from `start_s`.

    Sound that cannot be read ends quietly.
    """
    for packet in _packets(video, start_s, end_s):
        shift = round((video.origin_s + start_s) / packet.time_base)
        packet.pts -= shift
        packet.dts = packet.pts
        packet.stream = made
        yield packet


def coded_sound(video: VideoFile, start_s: float, end_s: float, made: Any, offset_s: float = 0.0) -> Iterator[Any]:
    """Packets of [start_s, end_s) coded anew by the output stream `made`, times counted from `offset_s` before it.

    The encoder is not flushed. Sound that cannot be decoded ends quietly.
    """
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
    for packet in _packets(video, start_s - 0.1, end_s):
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            return
        for frame in frames:
            time_s = float(frame.time or 0.0) - video.origin_s
            if not start_s <= time_s < end_s:
                continue
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = round((offset_s + time_s - start_s) * SOUND_RATE), Fraction(1, SOUND_RATE)
                yield from made.encode(piece)


def _packets(video: VideoFile, start_s: float, end_s: float) -> Iterator[Any]:
    """Packets of the first sound that are heard in [start_s, end_s)."""
    with open_container(video.path) as container:
        stream = container.streams.audio[0]

        def time_s(packet: Any) -> float:
            return float(packet.pts * packet.time_base) - video.origin_s

        try:
            for before_s in SEEK_BEFORE_S:
                container.seek(max(0, int((video.origin_s + start_s - before_s) * av.time_base)))
                packets = (packet for packet in packets_of(container, stream) if packet.pts is not None)
                first = list(itertools.islice(packets, 1))
                if first and time_s(first[0]) <= start_s + NEARLY_S:
                    break
            for packet in itertools.chain(first, packets):
                if time_s(packet) >= end_s - NEARLY_S:
                    return
                if time_s(packet) >= start_s - NEARLY_S:
                    yield packet
        except (av.FFmpegError, ValueError):
            return
