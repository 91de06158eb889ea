"""Opens containers and picks the video stream; turns the ways in which that fails into one precise line."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from coarse_to_fine.errors import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

READ_TIMEOUT_S = 60.0
"""A single read that takes longer than this is given up: a broken container cannot hold a worker for ever."""
MAX_PIXELS = 1 << 27
"""Larger pictures (16,384 x 8,192) are refused before memory is taken for them."""
DEMUXER_OPTIONS = {"protocol_whitelist": "file"}
DECODER_OPTIONS = {"max_pixels": str(MAX_PIXELS)}
NOT_VIDEO_FORMATS = ("tty", "image2", "_pipe", "ico", "srt", "webvtt", "ass", "hls", "concat")
PICTURES = frozenset(("mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpeg2000"))
"""Codecs of cover pictures, which some programs store as a video stream without a mark."""
PACKETS_TO_TELL_STILLS = 1000
NO_INDEX = (
    "file is incomplete (no index): the recording or copy was cut off; expected the index (moov) of an MP4; "
    "copy the file again, or repair it with the recorder's tool"
)
MARKS = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"FLV\x01": "FLV",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "WMV",
    b"\x00\x00\x01\xba": "MPEG-PS",
    b"OggS": "Ogg",
}
"""Bytes at the start of containers (RIFF and MPEG-TS have theirs elsewhere)."""
TS_MARK = b"\x47"
TS_PACKETS = ((188, 0), (192, 4))
"""Bytes a packet, and bytes before its mark."""
TS_LOOK = 1024
BOX_NAMES = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"sidx", b"styp", b"pnot")
)
MOST_BOXES = 1000


def open_container(path: Path) -> InputContainer:
    """An open container that reads nothing but this file.

    Raises:
        VideoError: it is not there, not readable, empty, incomplete or not a video.
    """
    _check_readable(path)
    try:
        container = av.open(
            f"file:{path.absolute()}",
            container_options=DEMUXER_OPTIONS,  # as `options` they make PyAV 14 and 15 crash
            metadata_errors="replace",
            timeout=READ_TIMEOUT_S,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(_why_not_opened(path, error)) from error
    if any(name in container.format.name for name in NOT_VIDEO_FORMATS):
        name = container.format.name
        container.close()
        raise VideoError(f"not a video file (it reads as {name}); expected a video; take it out of the list")
    return container


def pick_video_stream(path: Path, container: InputContainer) -> tuple[VideoStream, list[VideoStream]]:
    """The video stream to read, and all real ones: the first that is marked as default, else the first.

    Cover pictures and thumbnails are skipped, marked as such or single pictures beside a stream that moves, and streams
    whose codec is unknown if another one can be decoded.

    Args:
        path: the file, to look into it apart from `container`.
        container: the same file, at its start and left there.

    Raises:
        VideoError: there is none.
    """
    real = [stream for stream in container.streams.video if not _is_cover(stream)]
    stills = _stills(path, real)
    real = [stream for stream in real if stream.index not in stills]
    decodable = [stream for stream in real if stream.codec_context is not None]
    if decodable:
        chosen = next((stream for stream in decodable if _is_default(stream)), decodable[0])
        chosen.codec_context.options = dict(DECODER_OPTIONS)
        return chosen, real
    if _index_is_cut(path):
        raise VideoError(NO_INDEX)
    if real:
        raise VideoError(
            "no decoder for the codec of the video stream; expected a codec that FFmpeg decodes; re-encode the file"
        )
    found = "a cover picture" if container.streams.video else _stream_kinds(container)
    raise VideoError(f"no video stream (the file holds {found}); expected a video; take it out of the list")


def packets_of(container: InputContainer, stream: Stream) -> Iterator[Packet[Any]]:
    """Packets of one stream that hold data, in the order of the file.

    A stream that turns up midway (broadcasts do that) makes PyAV raise IndexError at the end of the file.
    """
    try:
        for packet in container.demux(stream):
            if packet.size and packet.stream_index == stream.index:
                yield packet
    except IndexError:
        return


def describe(error: BaseException) -> str:
    """Last words of FFmpeg, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def _is_cover(stream: VideoStream) -> bool:
    disposition = stream.disposition
    return bool(disposition & (type(disposition).attached_pic | type(disposition).timed_thumbnails))


def _is_default(stream: VideoStream) -> bool:
    return bool(stream.disposition & type(stream.disposition).default)


def _stills(path: Path, streams: list[VideoStream]) -> set[int]:
    """Numbers of streams that hold a single picture while another one moves."""
    doubtful = {stream.index for stream in streams if stream.codec_context and stream.codec_context.name in PICTURES}
    if len(streams) < 2 or not doubtful:
        return set()
    counts = dict.fromkeys((stream.index for stream in streams), 0)
    with open_container(path) as container:
        try:
            for packet in itertools.islice(container.demux(*sorted(counts)), PACKETS_TO_TELL_STILLS):
                counts[packet.stream_index] = counts.get(packet.stream_index, 0) + bool(packet.size)
                if min(counts[index] for index in doubtful) > 1:
                    break
        except (av.FFmpegError, IndexError):
            pass  # what was read so far tells
    return {index for index in doubtful if counts[index] <= 1 < max(counts.values())}


def _stream_kinds(container: InputContainer) -> str:
    return " and ".join(sorted({str(stream.type) for stream in container.streams})) or "no stream at all"


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise VideoError("a folder; expected a video file; give a file")
        with path.open("rb") as file:
            if not file.read(1):
                raise VideoError("the file is empty (0 bytes); expected a video; copy or download it again")
    except FileNotFoundError as error:
        reason = "a link that leads nowhere" if path.is_symlink() else "no such file"
        raise VideoError(f"{reason}; expected a video; check the path") from error
    except OSError as error:
        raise VideoError(f"the file cannot be read ({describe(error)}); expected a readable video; check it") from error


def _why_not_opened(path: Path, error: BaseException) -> str:
    boxes = _top_level_boxes(path)
    if boxes and (b"moov" not in boxes or _index_is_cut(path)):
        return NO_INDEX
    if boxes:
        return f"the index of the file is damaged ({describe(error)}); expected a readable MP4; copy the file again"
    if name := _begins_as(path):
        return (
            f"file is incomplete or damaged (it begins as {name}; {describe(error)}): the recording or copy was "
            "probably cut off; expected a whole video; copy the file again"
        )
    return f"not a video file ({describe(error)}); expected a video; check what the file is"


def _begins_as(path: Path) -> str | None:
    """The container whose mark stands at the start of the file, if there is one."""
    with path.open("rb") as file:
        head = file.read(TS_LOOK)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    for packet, before in TS_PACKETS:
        marks = head[before::packet]
        if len(marks) > 1 and set(marks) == set(TS_MARK):
            return "MPEG-TS"
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def _index_is_cut(path: Path) -> bool:
    """Whether the index of an MP4 leads out of the file."""
    return _top_level_boxes(path).get(b"moov", 0) > path.stat().st_size


def _top_level_boxes(path: Path) -> dict[bytes, int]:
    """Names of the outermost boxes of an MP4 and where the last one of each ends, as far as they make sense."""
    ends: dict[bytes, int] = {}
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        place = 0
        for _ in range(MOST_BOXES):
            if place + 8 > end:
                break
            file.seek(place)
            size, name = struct.unpack(">I4s", file.read(8))
            if name not in BOX_NAMES:
                break
            if size == 1:
                size = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))[0]
            place += size
            ends[name] = place
            if size < 8:
                break
    return ends
