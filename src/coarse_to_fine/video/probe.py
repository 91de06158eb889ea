"""Learns all that is to be known of a video file in one pass over its packets; decodes its first frame only."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from coarse_to_fine.arguments import require_path
from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import describe, open_container, packets_of, pick_video_stream
from coarse_to_fine.video.packet_walk import PacketWalk
from coarse_to_fine.video.picture import geometry_of
from coarse_to_fine.video.timing import (
    NO_STAMP,
    PacketList,
    Timeline,
    build_timeline,
    choose_clock,
    find_holes,
    hole_spans,
    join_spans,
    packets_behind,
)
from coarse_to_fine.video.video_file import Clock, LostSpan, PacketIndex, VideoFile

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

TS_DISCONTINUOUS = 0x0200
"""FFmpeg's format flag: time stamps may jump (broadcast streams)."""
MISSING_TAIL_S = 0.5
DEFAULT_RATE = Fraction(25)
UNKNOWN_AVI_FRAMES = 1 << 30
"""AVIs that were written into a pipe declare this many. Their duration is only guessed from the size of the file."""
TABLE_FORMAT = "mp4"
"""Its files name all pictures in a table, so that damage takes none away; other demuxers skip what they cannot read."""
DECLARING_FORMATS = ("mp4", "matroska", "avi", "flv", "asf")


def probe(path: str | Path) -> VideoFile:
    """Frame times, geometry and losses of a file.

    Raises:
        UserError: what is given is no path.
        VideoError: no frame can be had from the file; the message is one line without the path.
    """
    require_path(path, "the video")
    path = Path(path)
    with open_container(path) as container:
        stream, streams = pick_video_stream(path, container)
        walk = PacketWalk.through(container, stream)
        packets = walk.packets()
        if walk.first_frame is None or not packets.is_shown.any():
            raise VideoError(_why_no_frame(walk))
        time_base, rate = stream.time_base or Fraction(1, 1000), _rate(stream)
        clock = _clock(packets, walk)
        if clock != "pts":  # an edit list cuts at presentation times, and here they are none
            packets = walk.packets(with_cut_away=True)
        close_gaps = bool(container.format.flags & TS_DISCONTINUOUS)
        timeline = build_timeline(packets, clock, time_base, rate, close_gaps)
        _check_sense(timeline)
        tail = _missing_tail(path, container, stream, timeline, walk)
        key_times_s = timeline.frame_times_s[packets.is_key[timeline.frame_packets]]
        holes = find_holes(timeline.frame_times_s)
        unnoticed = TABLE_FORMAT not in container.format.name.split(",")
        restarts_s = key_times_s if unnoticed else timeline.frame_times_s
        spans = hole_spans(holes, timeline.frame_times_s, restarts_s, timeline.duration_s)
        lost = tuple(join_spans([*spans, *tail]))
        stamps = np.where(packets.pts != NO_STAMP, packets.pts, packets.dts)
        torn = packets_behind(holes if unnoticed else [], timeline.frame_packets)
        index = PacketIndex(packets.is_key, stamps, packets.sizes, timeline.frame_packets, time_base, clock, torn)
        return VideoFile(
            path=path,
            duration_s=timeline.duration_s,
            frame_times_s=timeline.frame_times_s,
            key_times_s=key_times_s,
            geometry=geometry_of(walk.first_frame, stream.sample_aspect_ratio),
            codec=stream.codec.canonical_name,
            pix_fmt=walk.first_frame.format.name,
            has_audio=bool(container.streams.audio),
            lost=lost,
            warnings=_warnings(lost, timeline, clock, streams.index(stream) + 1, len(streams)),
            stream_index=stream.index,
            packets=index,
        )


def _clock(packets: PacketList, walk: PacketWalk) -> Clock:
    """Presentation times that ascend in the file although pictures come out in another order are none."""
    clock = choose_clock(packets)
    ascending = bool(np.all(np.diff(packets.pts[packets.pts != NO_STAMP]) >= 0))
    return "dts" if clock == "pts" and ascending and walk.comes_out_of_order else clock


def _rate(stream: VideoStream) -> Fraction:
    """Frames a second as the file says; only where time stamps do not tell."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and Fraction(1, 100) < rate < 1000:
            return Fraction(rate)
    return DEFAULT_RATE


def _missing_tail(
    path: Path, container: InputContainer, stream: VideoStream, timeline: Timeline, walk: PacketWalk
) -> list[LostSpan]:
    """What the container promises and the packets do not hold."""
    end, promised = timeline.duration_s, _promised_end(path, container, stream, timeline)
    if walk.read_error is not None:
        reason = f"the file cannot be read further ({describe(walk.read_error)})"
        return [LostSpan(end, max(promised or end, end), reason)]
    if promised is not None and promised - end > max(MISSING_TAIL_S, 3 * end / len(timeline.frame_times_s)):
        return [LostSpan(end, promised, "the file is cut off")]
    return []


def _promised_end(path: Path, container: InputContainer, stream: VideoStream, timeline: Timeline) -> float | None:
    """End of the video as the container declares it, seconds from the first frame; None where it does not."""
    if not any(name in container.format.name for name in DECLARING_FORMATS):
        return None
    base = stream.time_base or Fraction(1, 1000)
    late = float((timeline.first_stamp - (stream.start_time or 0)) * base)
    if "avi" in container.format.name:
        known = 0 < stream.frames < UNKNOWN_AVI_FRAMES
        return float(stream.frames / stream.average_rate) - late if known and stream.average_rate else None
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


def _why_no_frame(walk: PacketWalk) -> str:
    error = walk.first_error or walk.read_error
    reason = f" ({describe(error)})" if error is not None else ""
    what = "no frame can be decoded" if len(walk) else "the video stream holds no frame"
    return f"{what}{reason}; expected at least one picture; check that the file plays, or copy it again"


def _warnings(
    lost: tuple[LostSpan, ...], timeline: Timeline, clock: Clock, place: int, streams: int
) -> tuple[str, ...]:
    lines = [str(span) for span in lost]
    if timeline.seams_s:
        places = ", ".join(f"{seam:.1f} s" for seam in timeline.seams_s[:5])
        lines.append(f"time stamps start anew at {places}: the parts follow each other")
    if clock != "pts":
        lines.append("no presentation times in the file: frames are counted, reading is slower")
    if streams > 1:
        lines.append(f"{streams} video streams: number {place} is read")
    return tuple(lines)
