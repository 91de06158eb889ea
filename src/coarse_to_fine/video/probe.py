"""Learns all that is to be known of a video file in one pass over its packets; decodes its first frame only."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import describe, open_container, packets_of, pick_video_stream
from coarse_to_fine.video.picture import geometry_of
from coarse_to_fine.video.timing import (
    NO_STAMP,
    PacketList,
    Timeline,
    build_timeline,
    choose_clock,
    find_holes,
    join_spans,
)
from coarse_to_fine.video.video_file import Clock, LostSpan, PacketIndex, VideoFile

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

TS_DISCONTINUOUS = 0x0200
"""FFmpeg's format flag: time stamps may jump (broadcast streams)."""
MISSING_TAIL_S = 0.5
ORDER_TRIAL = 40
DEFAULT_RATE = Fraction(25)
DECLARING_FORMATS = ("mp4", "matroska", "avi", "flv", "asf")


@dataclass
class _Pass:
    """What the pass over the packets collects."""

    rows: list[tuple[int, int, int, bool, bool, bool]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    first_frame: VideoFrame | None = None
    first_error: av.FFmpegError | None = None
    output_order: list[int] = field(default_factory=list)
    read_error: av.FFmpegError | None = None


def probe(path: str | Path) -> VideoFile:
    """Frame times, geometry and losses of a file.

    Raises:
        VideoError: no frame can be had from the file; the message is one line without the path.
    """
    path = Path(path)
    with open_container(path) as container:
        stream, streams = pick_video_stream(container)
        found = _walk(container, stream)
        packets = _packet_list(found)
        if found.first_frame is None:
            raise VideoError(_why_no_frame(found))
        time_base, rate = stream.time_base or Fraction(1, 1000), _rate(stream)
        clock = _clock(packets, found.output_order)
        close_gaps = bool(container.format.flags & TS_DISCONTINUOUS)
        timeline = build_timeline(packets, clock, time_base, rate, close_gaps)
        _check_sense(timeline)
        tail = _missing_tail(path, container, stream, timeline, found)
        lost = tuple(join_spans([*find_holes(timeline.frame_times_s), *tail]))
        sizes = np.array(found.sizes[: len(packets)], np.int64)
        index = PacketIndex(packets.is_key, _place_stamps(packets), sizes, timeline.frame_packets, time_base, clock)
        return VideoFile(
            path=path,
            duration_s=timeline.duration_s,
            frame_times_s=timeline.frame_times_s,
            key_times_s=timeline.frame_times_s[packets.is_key[timeline.frame_packets]],
            geometry=geometry_of(found.first_frame, stream.sample_aspect_ratio),
            codec=stream.codec_context.name,
            pix_fmt=found.first_frame.format.name,
            has_audio=bool(container.streams.audio),
            lost=lost,
            warnings=_warnings(lost, timeline, clock, streams),
            stream_index=stream.index,
            packets=index,
        )


def _walk(container: InputContainer, stream: VideoStream) -> _Pass:
    """Lists every packet; decodes until the first frame is out, and a few more where the order is in doubt."""
    found = _Pass()
    context = stream.codec_context
    context.thread_count = 1
    hidden_bit = 0x10 if context.name == "vp8" else 0
    in_doubt = True
    try:
        for packet in packets_of(container, stream):
            number = len(found.rows)
            found.rows.append(_row(packet, hidden_bit))
            found.sizes.append(packet.size)
            in_doubt = in_doubt and number < ORDER_TRIAL and _order_in_doubt(found.rows, context)
            if found.first_frame is None or in_doubt:
                _try_decoding(found, context, packet, number)
    except av.FFmpegError as error:
        found.read_error = error
    if found.first_frame is None or len(found.rows) < ORDER_TRIAL:
        _try_decoding(found, context, None, 0)
    return found


def _row(packet: Packet[Any], hidden_bit: int) -> tuple[int, int, int, bool, bool, bool]:
    shown = not packet.is_discard and not (hidden_bit and not memoryview(packet)[0] & hidden_bit)
    return (
        NO_STAMP if packet.pts is None else packet.pts,
        NO_STAMP if packet.dts is None else packet.dts,
        packet.duration or 0,
        packet.is_keyframe,
        shown,
        packet.is_corrupt,
    )


def _order_in_doubt(rows: list[tuple[int, int, int, bool, bool, bool]], context: Any) -> bool:
    """Whether pictures are coded out of order and yet no time stamp so far says so."""
    return bool(context.has_b_frames) and (len(rows) < 2 or rows[-1][0] >= rows[-2][0])


def _try_decoding(found: _Pass, context: Any, packet: Packet[Any] | None, number: int) -> None:
    try:
        if packet is not None:
            packet.pts = number
        for frame in context.decode(packet):
            found.first_frame = found.first_frame or frame
            if frame.pts is not None:
                found.output_order.append(frame.pts)
    except av.FFmpegError as error:
        found.first_error = found.first_error or error


def _packet_list(found: _Pass) -> PacketList:
    """The rows as arrays, without the cut packet at the end of a file that was cut."""
    rows = found.rows
    while len(rows) > 1 and rows[-1][5]:
        rows = rows[:-1]
    if not any(row[4] for row in rows):
        raise VideoError(_why_no_frame(found))
    pts, dts, durations, is_key, is_shown, is_corrupt = zip(*rows)
    return PacketList(
        np.array(pts, np.int64),
        np.array(dts, np.int64),
        np.maximum(np.array(durations, np.int64), 0),
        np.array(is_key, np.bool_),
        np.array(is_shown, np.bool_),
        np.array(is_corrupt, np.bool_),
    )


def _clock(packets: PacketList, output_order: list[int]) -> Clock:
    """Presentation times that ascend in the file although pictures come out in another order are none."""
    clock = choose_clock(packets)
    if clock == "pts" and np.all(np.diff(packets.pts) >= 0):
        coded_out_of_order = any(later < earlier for earlier, later in itertools.pairwise(output_order))
        return "dts" if coded_out_of_order else "pts"
    return clock


def _place_stamps(packets: PacketList) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.where(packets.pts != NO_STAMP, packets.pts, packets.dts)


def _rate(stream: VideoStream) -> Fraction:
    """Frames a second as the file says; only where time stamps do not tell."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and Fraction(1, 100) < rate < 1000:
            return Fraction(rate)
    return DEFAULT_RATE


def _missing_tail(
    path: Path, container: InputContainer, stream: VideoStream, timeline: Timeline, found: _Pass
) -> list[LostSpan]:
    """What the container promises and the packets do not hold."""
    end = timeline.duration_s
    if found.read_error is not None:
        promised = _promised_end(path, container, stream, timeline)
        reason = f"the file cannot be read further ({describe(found.read_error)})"
        return [LostSpan(end, max(promised or end, end), reason)]
    promised = _promised_end(path, container, stream, timeline)
    if promised is not None and promised - end > max(MISSING_TAIL_S, 3 * end / len(timeline.frame_times_s)):
        return [LostSpan(end, promised, "the file is cut off")]
    return []


def _promised_end(path: Path, container: InputContainer, stream: VideoStream, timeline: Timeline) -> float | None:
    """End of the video as the container declares it, seconds from the first frame; None where it does not."""
    if not any(name in container.format.name for name in DECLARING_FORMATS):
        return None
    base = stream.time_base or Fraction(1, 1000)
    late = float((timeline.first_stamp - (stream.start_time or 0)) * base)
    if stream.duration:
        return float(stream.duration * base) - late
    if tag := _seconds(stream.metadata.get("DURATION", "")):
        return tag - float(timeline.first_stamp * base)
    if not container.duration:
        return None
    promised = container.duration / av.time_base - float(timeline.first_stamp * base)
    if promised - timeline.duration_s <= MISSING_TAIL_S or _end_of_sound(path, stream.index) > promised - 1.0:
        return None
    return promised


def _end_of_sound(path: Path, video_index: int) -> float:
    """Where the sound ends: a container lasts as long as its longest stream."""
    end = 0.0
    with open_container(path) as container:
        audio = next((stream for stream in container.streams.audio if stream.index != video_index), None)
        if audio is None or not audio.time_base:
            return end
        try:
            for packet in packets_of(container, audio):
                if packet.pts is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * audio.time_base))
        except av.FFmpegError:
            return end
    return end


def _seconds(tag: str) -> float | None:
    """Seconds of a Matroska duration tag, `00:00:12.033000000`."""
    parts = tag.split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _check_sense(timeline: Timeline) -> None:
    frames, duration = len(timeline.frame_times_s), timeline.duration_s
    if not 0 < duration < 1e6 or (duration > 86_400 and duration > 600 * frames):
        raise VideoError(
            f"the time stamps make no sense ({frames} frames over {duration:.0f} s); expected a playable video; "
            "re-encode the file"
        )


def _why_no_frame(found: _Pass) -> str:
    error = found.first_error or found.read_error
    reason = f" ({describe(error)})" if error is not None else ""
    what = "no frame can be decoded" if found.rows else "the video stream holds no frame"
    return f"{what}{reason}; expected at least one picture; check that the file plays, or copy it again"


def _warnings(lost: tuple[LostSpan, ...], timeline: Timeline, clock: Clock, streams: int) -> tuple[str, ...]:
    lines = [str(span) for span in lost]
    if timeline.seams_s:
        places = ", ".join(f"{seam:.1f} s" for seam in timeline.seams_s[:5])
        lines.append(f"time stamps start anew at {places}: the parts follow each other")
    if clock != "pts":
        lines.append("no presentation times in the file: frames are counted, reading is slower")
    if streams > 1:
        lines.append(f"{streams} video streams: the first one is read")
    return tuple(lines)
