"""Cuts a stretch out of a video without coding it anew: fast and without loss, from the key frame before its start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import describe, open_container
from coarse_to_fine.video.cut import Piece, complete_file, piece_bounds
from coarse_to_fine.video.probe import probe

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

    from coarse_to_fine.video.video_file import VideoFile

MP4_PICTURES = frozenset(("h264", "hevc", "av1", "mpeg4", "vp9"))
MP4_SOUND = frozenset(("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"))
NEARLY_S = 1e-3
REORDERING_S = 1.0
"""Pictures are decoded less than this before they are shown."""
SEEK_BEFORE_S = (0.5, 10.0, 1e6)


@dataclass(frozen=True, slots=True)
class CopiedClip:
    """What `copy_clip` wrote.

    Attributes:
        path: the file; `.mp4`, or `.mkv` where MP4 does not take the codecs.
        start_s: time in the video at which it begins, at most the asked one.
    """

    path: Path
    start_s: float


def copy_clip(path: str | Path, start_s: float, end_s: float, out: str | Path) -> CopiedClip:
    """Copies [start_s, end_s] of a video from the last key frame at or before its start, pictures and first sound.

    Args:
        path: the video.
        start_s, end_s: seconds from the first frame; cut to the video's length.
        out: the file to write; its ending is replaced by the one that fits.

    Raises:
        VideoError: the stretch is empty, the video cannot be read, or no container takes its streams as they are.
    """
    video = probe(path)
    start, end = piece_bounds(Piece(Path(path), start_s, end_s), video)
    keys = video.key_times_s[video.key_times_s <= start + NEARLY_S]
    if video.packets.clock != "pts" or not len(keys):
        raise VideoError(
            "the file has no time stamps or no key frame to start at; expected both to copy from it; cut it with coding"
        )
    key = float(keys[-1])
    with open_container(video.path) as source:
        sound = source.streams.audio[0] if video.has_audio else None
        fits = video.codec in MP4_PICTURES and (sound is None or sound.codec_context.name in MP4_SOUND)
        target_path = Path(out).with_suffix(".mp4" if fits else ".mkv")
        with complete_file(target_path) as unfinished:
            try:
                with av.open(str(unfinished), "w", format="mp4" if fits else "matroska") as target:
                    _copy(source, target, video, key, end)
            except (av.FFmpegError, ValueError) as error:
                raise VideoError(
                    f"the streams cannot be copied ({describe(error)}); expected streams that a container takes as "
                    "they are; cut it with coding"
                ) from error
    return CopiedClip(target_path, key)


def _copy(source: InputContainer, target: OutputContainer, video: VideoFile, key_s: float, end_s: float) -> None:
    """Packets from the key frame up to the end; times are shifted so that the key frame is shown at 0.

    All that is decoded before the end is kept: a picture that is shown later may be needed for earlier ones.
    """
    index = video.packets
    zero_s = float(int(index.stamps[index.frame_packets[0]]) * index.time_base) + key_s
    pictures: Any = source.streams[video.stream_index]
    wanted = [pictures, *source.streams.audio[:1]]
    made = {stream.index: target.add_stream_from_template(stream) for stream in wanted}
    going_on = set(made)
    for packet in _from_key_frame(source, wanted, zero_s):
        decoded = packet.dts if packet.dts is not None else packet.pts - ceil(REORDERING_S / packet.time_base)
        if float(decoded * packet.time_base) - zero_s >= end_s - key_s - NEARLY_S:
            going_on.discard(packet.stream_index)
            if not going_on:
                return
            continue
        shift = round(zero_s / packet.time_base)
        packet.pts -= shift
        packet.dts = packet.dts - shift if packet.dts is not None else None
        packet.stream = made[packet.stream_index]
        target.mux(packet)


def _from_key_frame(source: InputContainer, wanted: Sequence[Any], zero_s: float) -> Iterator[Any]:
    """Packets that are shown from `zero_s` on, the picture of that time first; sound may come before it.

    A seek may land behind the key frame, so it aims further and further before it.
    """
    for before_s in SEEK_BEFORE_S:
        source.seek(max(0, int((zero_s - before_s) * av.time_base)))
        waiting: list[Any] | None = []
        for packet in source.demux(list(wanted)):
            if packet.pts is None or not packet.size:
                continue
            shown_s = float(packet.pts * packet.time_base) - zero_s
            if waiting is None:
                if shown_s > -NEARLY_S:
                    yield packet
            elif packet.stream_index != wanted[0].index:
                waiting += [packet] if shown_s > -NEARLY_S else []
            elif packet.is_keyframe and abs(shown_s) < NEARLY_S:
                yield packet
                yield from waiting
                waiting = None
            elif shown_s > REORDERING_S:
                break
        if waiting is None:
            return
    raise VideoError("its key frame is not where the index says; expected a sound file; cut it with coding")
