"""Cuts a stretch out of an H.264 video to the frame, and codes no more pictures anew than the cut needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.code_like import CodedPicture, code_like
from coarse_to_fine.video.container import describe, open_container
from coarse_to_fine.video.cut import Bounds, Piece, complete_file, mux_in_time, piece_bounds
from coarse_to_fine.video.cut_plan import CutPlan, cut_plans, decoding_times, frames_of
from coarse_to_fine.video.decode_plan import DecodePlan
from coarse_to_fine.video.h264 import IDR, PPS, SPS, Layout, ParameterSets, kind, parameter_sets, with_lengths
from coarse_to_fine.video.packet_source import PacketSource
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.run_decoder import RunDecoder
from coarse_to_fine.video.sound import MP4_SOUND, SOUND_RATE, coded_sound, copied_sound, sound_codec
from coarse_to_fine.video.video_file import Integers, VideoFile

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

PIXELS = ("yuv420p", "yuvj420p")
MOST_TRIES = 20
"""Key frames that are looked at before a place to copy from is given up."""


@dataclass(frozen=True, slots=True)
class SplicedClip:
    """What `splice_clip` wrote.

    Attributes:
        path: the MP4.
        coded: how many frames were coded anew.
        copied: how many were copied as they are.
        sound_coded: whether the sound was coded anew, because MP4 does not take its codec.
    """

    path: Path
    coded: int
    copied: int
    sound_coded: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a clip before they are written.

    Attributes:
        plan: which frames and packets they are.
        head, tail: what is coded anew.
        sets: parameter sets of all parts.
        layout: how units lie in the packets to copy.
    """

    plan: CutPlan
    head: list[CodedPicture]
    tail: list[CodedPicture]
    sets: ParameterSets
    layout: Layout


def splice_clip(path: str | Path, start_s: float, end_s: float, out: str | Path) -> SplicedClip:
    """Writes exactly the frames of [start_s, end_s] to an MP4: copied where they can be, coded anew at its ends.

    From the first key frame on at which a decoder starts afresh, pictures are copied without loss; those before it,
    and a last few that are coded out of order across the end, are coded anew with the parameters of the video. Size,
    rotation and shape of the pixels stay as they are. Sound is copied if MP4 takes its codec, else coded as AAC.

    Args:
        path: the video: H.264, 8 bits, 4:2:0, with time stamps.
        start_s, end_s: seconds from the first frame; cut to the video's length.
        out: the MP4 to write; replaced if it exists.

    Raises:
        VideoError: the stretch is empty, the video cannot be read, or its pictures cannot be copied in part.
    """
    video = probe(path)
    start, end = piece_bounds(Piece(Path(path), start_s, end_s), video)
    _check(video)
    copies_sound = sound_codec(video) in MP4_SOUND
    with PacketSource(video, threads="auto") as source:
        parts = _parts(source, frames_of(video.frame_times_s, start, end))
        with complete_file(Path(out)) as unfinished:
            try:
                _write(unfinished, source, parts, (start, end), copies_sound)
            except (av.FFmpegError, ValueError) as error:
                raise VideoError(
                    f"the parts cannot be joined ({describe(error)}); expected streams that MP4 takes; cut it with "
                    "coding"
                ) from error
    coded = len(parts.head) + len(parts.tail)
    return SplicedClip(Path(out), coded, len(parts.plan.copied), video.has_audio and not copies_sound)


def _check(video: VideoFile) -> None:
    index = video.packets
    if video.codec != "h264" or video.pix_fmt not in PIXELS:
        raise VideoError(
            f"its pictures are {video.codec} ({video.pix_fmt}); expected H.264 with 8 bits and 4:2:0 to copy a part "
            "of them; cut it with coding"
        )
    if index.clock != "pts" or np.any(np.diff(index.stamps[index.frame_packets]) <= 0):
        raise VideoError("its time stamps do not ascend; expected some that do to copy a part; cut it with coding")


def _parts(source: PacketSource, frames: range) -> Parts:
    """Chooses what is copied and codes the rest."""
    extradata = source.context.extradata or b""
    layout, sets, packets = Layout.of(extradata), parameter_sets(extradata), DecodePlan(source.video.packets)
    plan = _plan(source, packets, frames, layout)
    head, head_sets = _coded(source, packets, plan.head, sets)
    tail, tail_sets = _coded(source, packets, plan.tail, sets)
    if head and tail and head_sets != tail_sets:
        raise VideoError("the ends are coded in different ways; expected the same; cut it with coding")
    return Parts(plan, head, tail, sets + (head_sets if head else tail_sets), layout)


def _plan(source: PacketSource, packets: DecodePlan, frames: range, layout: Layout) -> CutPlan:
    """The plan with the shortest head whose copied part starts where a decoder starts afresh."""
    for plan in itertools.islice(cut_plans(packets, frames), MOST_TRIES):
        for _, packet in itertools.islice(source.packets_from(plan.copied.start), 1):
            if any(kind(unit) == IDR for unit in layout.units(bytes(packet))):
                return plan
    raise VideoError(
        "no key frame to copy from lies in the stretch; expected one at which a decoder starts afresh; cut it with "
        "coding"
    )


def _coded(
    source: PacketSource, packets: DecodePlan, frames: range, sets: ParameterSets
) -> tuple[list[CodedPicture], ParameterSets]:
    """These frames decoded and coded anew.

    Raises:
        VideoError: one cannot be decoded.
    """
    if not frames:
        return [], ParameterSets((), ())

    def decoded() -> Iterator[tuple[int, VideoFrame]]:
        for run in packets.runs(tuple(frames)):
            decoder = RunDecoder(source, packets, run, skip_unwanted=True)
            for number, frame in decoder:
                if number in frames and not decoder.is_tainted(number):
                    yield number, frame

    rate = Fraction(source.video.average_fps).limit_denominator(1001)
    pictures, own = code_like(decoded(), source.context, sets, rate)
    if [picture.frame for picture in pictures] != list(frames):
        raise VideoError("damaged pictures at the ends of the stretch; expected whole ones; cut it with coding")
    return pictures, own


def _write(path: Path, source: PacketSource, parts: Parts, bounds: Bounds, copies_sound: bool) -> None:
    video, options = source.video, {"movflags": "+faststart"}
    with open_container(video.path) as read, av.open(str(path), "w", format="mp4", options=options) as target:
        made = target.add_stream_from_template(read.streams[video.stream_index])
        made.codec_context.extradata = parts.sets.record()
        streams = [_packets(source, parts, bounds, made)]
        if video.has_audio and copies_sound:
            streams.append(copied_sound(video, *bounds, target.add_stream_from_template(read.streams.audio[0])))
        elif video.has_audio:
            streams.append(_sound_anew(video, bounds, target.add_stream("aac", rate=SOUND_RATE)))
        mux_in_time(target, *streams)


def _sound_anew(video: VideoFile, bounds: Bounds, made: Any) -> Iterator[Any]:
    yield from coded_sound(video, *bounds, made)
    yield from made.encode(None)


def _packets(source: PacketSource, parts: Parts, bounds: Bounds, made: Any) -> Iterator[Any]:
    """Packets of all parts, with times from the start of the stretch."""
    index, plan = source.video.packets, parts.plan
    copied = DecodePlan(index).frame_of_packet[plan.copied.start : plan.copied.stop]
    shown, durations = _times(source.video, np.array([*plan.head, *copied, *plan.tail]), bounds)
    pictures = itertools.chain(parts.head, _copied(source, parts, copied), parts.tail)
    for picture, pts, dts, duration in zip(pictures, shown, decoding_times(shown), durations, strict=True):
        packet = av.Packet(picture.data)
        packet.pts, packet.dts, packet.duration = int(pts), int(dts), int(duration)
        packet.time_base, packet.is_keyframe, packet.stream = index.time_base, picture.is_key, made
        yield packet


def _copied(source: PacketSource, parts: Parts, frames: Integers) -> Iterator[CodedPicture]:
    """The pictures that are copied.

    Raises:
        VideoError: one brings parameters of its own.
    """
    for frame, (_, packet) in zip(frames.tolist(), source.packets_from(parts.plan.copied.start)):
        units = list(parts.layout.units(bytes(packet)))
        if any(kind(unit) in (SPS, PPS) and unit not in parts.sets for unit in units):
            raise VideoError("its parameters change on the way; expected the same ones; cut it with coding")
        data = with_lengths(unit for unit in units if kind(unit) not in (SPS, PPS))
        yield CodedPicture(frame, data, packet.is_keyframe)


def _times(video: VideoFile, frames: Integers, bounds: Bounds) -> tuple[Integers, Integers]:
    """When each of these frames is shown and for how long, ticks from the start of the stretch.

    The frame that is on show at the start is shown from there on, the last one until the end.
    """
    index = video.packets
    stamps = index.stamps[index.frame_packets[np.sort(frames)]]
    start, end = (round((video.origin_s + bound) / index.time_base) for bound in bounds)
    start = min(max(start, int(stamps[0])), int(stamps[1]) - 1 if len(stamps) > 1 else int(stamps[0]))
    borders = np.append(np.maximum(stamps, start), max(end, int(stamps[-1]) + 1)) - start
    places = frames - frames.min()
    return borders[places], np.diff(borders)[places]
