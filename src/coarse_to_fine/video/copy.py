"""Cuts a stretch out of a video without coding it anew: fast and without loss, from the key frame before its start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import describe, open_container
from coarse_to_fine.video.cut import Piece, complete_file, mux_in_time, piece_bounds
from coarse_to_fine.video.cut_plan import frames_of
from coarse_to_fine.video.decode_plan import DecodePlan
from coarse_to_fine.video.packet_source import PacketSource
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.sound import MP4_SOUND, copied_sound, sound_codec

if TYPE_CHECKING:
    from av.container import OutputContainer

    from coarse_to_fine.video.video_file import VideoFile

MP4_PICTURES = frozenset(("h264", "hevc", "av1", "mpeg4", "vp9"))


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
    frames, plan = frames_of(video.frame_times_s, start, end), DecodePlan(video.packets)
    key = plan.start_for(frames.start)
    if plan.counted or not video.packets.is_key[key] or plan.frame_of_packet[key] < 0:
        raise VideoError(
            "the file has no time stamps or no key frame to start at; expected both to copy from it; cut it with coding"
        )
    sound = sound_codec(video)
    fits = video.codec in MP4_PICTURES and (not video.has_audio or sound in MP4_SOUND)
    target_path = Path(out).with_suffix(".mp4" if fits else ".mkv")
    key_s = float(video.frame_times_s[plan.frame_of_packet[key]])
    packets = range(key, int(video.packets.frame_packets[frames.start : frames.stop].max()) + 1)
    with complete_file(target_path) as unfinished:
        try:
            with av.open(str(unfinished), "w", format="mp4" if fits else "matroska") as target:
                _copy(video, target, packets, key_s, end)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"the streams cannot be copied ({describe(error)}); expected streams that a container takes as "
                "they are; cut it with coding"
            ) from error
    return CopiedClip(target_path, key_s)


def _copy(video: VideoFile, target: OutputContainer, packets: range, key_s: float, end_s: float) -> None:
    """Writes these packets of the pictures and the sound up to `end_s`; what is shown at `key_s` is at 0.

    Pictures behind the end are among the packets where earlier ones are decoded after them.
    """
    with open_container(video.path) as source:
        pictures = target.add_stream_from_template(source.streams[video.stream_index], opaque=True)
        sound = target.add_stream_from_template(source.streams.audio[0]) if video.has_audio else None
        mux_in_time(
            target,
            _copied_pictures(video, packets, video.origin_s + key_s, pictures),
            copied_sound(video, key_s, end_s, sound) if sound is not None else (),
        )


def _copied_pictures(video: VideoFile, packets: range, zero_s: float, made: Any) -> Iterator[Any]:
    with PacketSource(video, threads=1) as source:
        for number, packet in source.packets_from(packets.start):
            if number not in packets:
                return
            if packet.pts is None:
                continue
            shift = round(zero_s / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.dts - shift if packet.dts is not None else None
            packet.stream = made
            yield packet
