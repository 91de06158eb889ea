"""Codes frames anew so that they fit into the H.264 stream from which they were decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.codec.context import Flags

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.h264 import PROFILES, Layout, ParameterSets, parameter_sets, with_lengths

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

ENCODER = "libx264"
QUALITY = "16"
"""Constant rate factor: by eye no difference to the source, for it lies next to pictures that are copied."""
BEHIND_START_CODES = Layout(length_size=0)
COLOURS = ("color_primaries", "color_trc", "colorspace", "color_range")


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One picture as MP4 holds it.

    Attributes:
        frame: number of the frame in its video.
        data: NAL units behind four bytes of length each.
        is_key: whether decoding can start here.
    """

    frame: int
    data: bytes
    is_key: bool


def code_like(
    frames: Iterable[tuple[int, VideoFrame]], source: Any, sets: ParameterSets, rate: Fraction
) -> tuple[list[CodedPicture], ParameterSets]:
    """Codes frames with the size, pixels, colours, profile and level of their source.

    The parameter sets get a number that the source does not use, so both parts can stand in one stream; the part
    starts with a picture at which the decoder starts afresh.

    Args:
        frames: (number, frame) in the order of display, at least one.
        source: codec context from which they come.
        sets: parameter sets of the source.
        rate: frames a second, for the encoder's book-keeping.

    Returns:
        The pictures in the order of decoding, which is that of display, and the sets that they refer to.

    Raises:
        VideoError: the frames are interlaced or change their shape, or pictures of that profile cannot be coded here.
    """
    encoder: Any = None
    packets: list[Any] = []
    for number, frame in frames:
        if encoder is None:
            encoder = _encoder(frame, source, sets, rate)
        if frame.interlaced_frame or (frame.width, frame.height) != (encoder.width, encoder.height):
            raise VideoError("interlaced pictures or ones of several sizes; expected neither; cut it with coding")
        frame.pict_type, frame.pts, frame.time_base = 0, number, 1 / rate
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    pictures = [
        CodedPicture(packet.pts, with_lengths(BEHIND_START_CODES.units(bytes(packet))), packet.is_keyframe)
        for packet in packets
    ]
    return pictures, parameter_sets(encoder.extradata)


def _encoder(frame: VideoFrame, source: Any, sets: ParameterSets, rate: Fraction) -> Any:
    if ENCODER not in av.codecs_available or sets.profile not in PROFILES:
        raise VideoError(
            f"pictures of profile {sets.profile} cannot be coded here; expected one of {sorted(PROFILES)} and "
            f"{ENCODER}; cut it with coding"
        )
    made: Any = av.CodecContext.create(ENCODER, "w")
    made.width, made.height, made.pix_fmt = frame.width, frame.height, frame.format.name
    made.time_base, made.framerate = 1 / rate, rate
    if source.sample_aspect_ratio is not None:
        made.sample_aspect_ratio = source.sample_aspect_ratio
    for name in COLOURS:
        setattr(made, name, getattr(source, name))
    made.flags |= Flags.global_header
    made.options = {
        "preset": "fast",
        "crf": QUALITY,
        "bf": "0",
        "profile": PROFILES[sets.profile],
        "x264-params": f"sps-id={sets.free_number()}:level={sets.level}:keyint=infinite:scenecut=0",
    }
    return made
