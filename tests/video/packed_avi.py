"""Writes AVI files as DivX did: a picture and the one to show before it packed into one chunk, then a placeholder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from tests.video.files import Recipe, encode_pictures, open_video_stream

PICTURE_START = b"\0\0\1\xb6"
RATE = 30


def write_packed_avi(path: Path, times: Sequence[float], pixel_aspect: Fraction | None = None) -> Path:
    """MPEG-4 ASP with packed B-frames; times are whole thirtieths of a second from 0."""
    recipe = Recipe(codec="mpeg4", time_base=None, rate=Fraction(RATE), sample_aspect_ratio=pixel_aspect)
    bframes = {"bf": "1", "b": "2M", "b_strategy": "0", "flags": "+global_header"}
    with av.open(str(path.with_suffix(".unpacked.avi")), "w") as unpacked:
        stream = open_video_stream(unpacked, replace(recipe, options=bframes))
        packets = list(encode_pictures(stream, times, recipe))
        header = bytes(stream.codec_context.extradata)
    with av.open(str(path), "w") as out:
        stream = open_video_stream(out, replace(recipe, options={"b": "2M", "flags": "+global_header"}))
        stream.codec_context.open()
        stream.codec_context.extradata = _as_divx(header)
        for number, (data, is_key) in enumerate(_chunks(packets)):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, RATE), 1
            packet.pts = packet.dts = number
            packet.is_keyframe = is_key
            out.mux(packet)
    return path


def _chunks(packets: Sequence[av.Packet]) -> Iterator[tuple[bytes, bool]]:
    place = 0
    while place < len(packets):
        data, kind = _as_divx(bytes(packets[place])), _kind(packets[place])
        if place + 1 < len(packets) and _kind(packets[place + 1]) == 2:
            yield data + _as_divx(bytes(packets[place + 1])), kind == 0
            yield _placeholder(int(packets[place].pts)), False
            place += 2
        else:
            yield data, kind == 0
            place += 1


def _kind(packet: av.Packet) -> int:
    """0 for I, 1 for P, 2 for B."""
    data = bytes(packet)
    return data[data.find(PICTURE_START) + 4] >> 6


def _placeholder(time: int) -> bytes:
    """A P picture that is not coded."""
    bits = "0101" + format(time % RATE, "05b") + "10" + "01111"
    return PICTURE_START + int(bits, 2).to_bytes(2, "big")


def _as_divx(data: bytes) -> bytes:
    """The encoder's signature replaced by the one that announces packed pictures (same length)."""
    start = data.find(b"Lavc")
    if start < 0:
        return data
    end = start
    while end < len(data) and data[end : end + 1] in b"Lavc0123456789.":
        end += 1
    return data[:start] + b"DivX503b1393p"[: end - start].ljust(end - start, b"p") + data[end:]
