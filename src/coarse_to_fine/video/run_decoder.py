"""Decodes one run of packets and keeps book of what is damaged in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import av

from coarse_to_fine.video.container import describe
from coarse_to_fine.video.decode_plan import DecodePlan, Run
from coarse_to_fine.video.packet_source import PacketSource
from coarse_to_fine.video.timing import MISSING_FRAMES

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame


class RunDecoder:
    """Iterates once over (frame number, frame) in the order of display.

    A packet that cannot be decoded, that the container or the decoder marks as damaged, or before which others are
    missing, taints all pictures that follow it in the file up to the next place where decoding can start, for they are
    built on it.

    Attributes:
        tainted: numbers of the packets that are damaged or built on damaged ones.
        reason: what the decoder said first, or None.
        cut_short: whether the file could not be read to the end of the run.
    """

    def __init__(self, source: PacketSource, plan: DecodePlan, run: Run, *, skip_unwanted: bool) -> None:
        self.tainted: set[int] = set()
        self.reason: str | None = None
        self.cut_short = False
        self._source, self._plan, self._run = source, plan, run
        self._wanted = {int(plan.frame_packets[frame]) for frame in run.frames}
        self._skip = skip_unwanted and not plan.counted
        self._taint = False
        self._leading_until = -1
        self._last_fed = run.start - 1
        self._frames_out = 0

    def is_tainted(self, frame: int) -> bool:
        packet = int(self._plan.frame_packets[frame])
        return packet in self.tainted or (self.cut_short and packet > self._last_fed)

    def tainted_frames(self) -> Iterator[tuple[int, int]]:
        """First and last frame of each lost stretch, in the order of display.

        A taint that lasts to the end of the run goes on to the next place where decoding can start, unread as it is.
        """
        packets = set(self.tainted)
        if self._taint or self.cut_short:
            key = None if self.cut_short else self._plan.next_key(self._last_fed)
            packets.update(range(self._last_fed + 1, len(self._plan.frame_of_packet) if key is None else key))
        frames = sorted({int(self._plan.frame_of_packet[packet]) for packet in packets} - {-1})
        for _, stretch in itertools.groupby(enumerate(frames), key=lambda pair: pair[1] - pair[0]):
            numbers = [frame for _, frame in stretch]
            yield numbers[0], numbers[-1]

    def __iter__(self) -> Iterator[tuple[int, VideoFrame]]:
        context = self._source.context
        for number, packet in self._source.packets_from(self._run.start):
            self._note(number, packet)
            context.skip_frame = "NONREF" if self._skip and number not in self._wanted else "DEFAULT"
            if self._plan.counted and packet.is_discard:
                packet = av.Packet(bytes(packet))  # without the mark that makes the decoder drop its picture
            packet.pts = number
            yield from self._numbered(self._decode(packet, number))
            if number >= self._run.end:
                break
        self.cut_short = self._last_fed < self._run.end
        yield from self._numbered(self._decode(None, self._last_fed))

    def _note(self, number: int, packet: Packet[Any]) -> None:
        """Starts or ends the taint at a packet before it is decoded."""
        shown_as = int(self._plan.frame_of_packet[number]) if number < len(self._plan.frame_of_packet) else -1
        if packet.is_keyframe:
            self._leading_until = shown_as if self._taint else -1
            self._taint = False
        elif number in self._plan.torn:
            self._start_taint(number, MISSING_FRAMES)
        if packet.is_corrupt:
            self._start_taint(number, "damaged data")
        if self._taint or 0 <= shown_as < self._leading_until:
            self.tainted.add(number)
        self._last_fed = number

    def _decode(self, packet: Packet[Any] | None, number: int) -> Iterable[VideoFrame]:
        try:
            decoded: list[VideoFrame] = self._source.context.decode(packet)
        except av.FFmpegError as error:
            self._start_taint(number, describe(error))
            return ()
        return decoded

    def _numbered(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        for frame in frames:
            packet = frame.pts
            if self._plan.counted or packet is None:
                number = self._frames_out
            elif 0 <= packet < len(self._plan.frame_of_packet):
                number = int(self._plan.frame_of_packet[packet])
            else:
                continue
            self._frames_out = number + 1
            if frame.is_corrupt and packet is not None:
                self._start_taint(packet, "damaged pictures")
            if 0 <= number < len(self._plan.frame_packets):
                yield number, frame

    def _start_taint(self, packet: int, reason: str) -> None:
        """Taints `packet` and what was fed after it up to a key packet; if there was none, what will be fed too."""
        self.reason = self.reason or reason
        key = self._plan.next_key(packet)
        if key is None or key > self._last_fed:
            self._taint = True
        self.tainted.update(range(packet, min(self._last_fed + 1, key if key is not None else self._last_fed + 1)))
        self.tainted.add(packet)
