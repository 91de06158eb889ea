"""Hands out the packets of a video stream by number: forward by reading on or seeking, backward by opening anew."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import DECODER_OPTIONS, open_container, packets_of
from coarse_to_fine.video.timing import NO_STAMP
from coarse_to_fine.video.video_file import VideoFile

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

SEEK_S = 20.0
"""Stretches shorter than this are read over: exact everywhere, and demuxing costs 1-2 % of decoding."""
BACK_S = (0.0, 2.0, 10.0)
"""How far before the wanted packet a seek aims: a container's seek may land after its target."""
ALIKE = 3
"""Packets in a row that must look as in the index before a place is believed."""
MOST_TO_LOCATE = 200


class PacketSource:
    """Owner of the open container and of the decoder of one file; a context manager."""

    def __init__(self, video: VideoFile, threads: int | Literal["auto"]) -> None:
        self.video = video
        self.threads = threads
        self._packets: Iterator[Packet[Any]] = iter(())
        self._open()
        stamps, first = np.unique(video.packets.stamps, return_index=True)
        self._can_seek = len(stamps) == len(video.packets.stamps) and NO_STAMP not in stamps[:1]
        self._stamps, self._numbers = stamps, first

    def __enter__(self) -> PacketSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def packets_from(self, number: int) -> Iterator[tuple[int, Packet[Any]]]:
        """Numbered packets from `number` on, for a decoder that starts afresh; ends where the file cannot be read."""
        if number < self._next:
            self._reopen()
        elif self._seconds_between(self._next, number) > SEEK_S and self._can_seek:
            self._seek(number)
        self.context.flush_buffers()
        return self._read_from(number)

    def _read_from(self, number: int) -> Iterator[tuple[int, Packet[Any]]]:
        try:
            for packet in self._packets:
                self._next += 1
                if self._next > number:
                    yield self._next - 1, packet
        except av.FFmpegError:
            return

    def _seek(self, number: int) -> None:
        """Comes to stand at or before packet `number`; the first packet after a seek says where that is."""
        base = self.video.packets.time_base
        for back_s in BACK_S:
            stamp = int(self.video.packets.stamps[number]) - round(back_s / base)
            try:
                self._container.seek(stamp, stream=self._stream, backward=True)
                landed = self._locate()
            except av.FFmpegError:
                break
            if landed is not None and landed <= number:
                return
        self._reopen()

    def _locate(self) -> int | None:
        """Reads on until some packets in a row are known by stamp and sizes; returns the number of the first of them.

        Stamps alone do not do: a program stream gives other ones after a seek.
        """
        packets = packets_of(self._container, self._stream)
        window: deque[Packet[Any]] = deque(maxlen=ALIKE)
        for packet in itertools.islice(packets, MOST_TO_LOCATE):
            window.append(packet)
            number = self._number_of(window)
            if number is not None:
                self._next = number
                self._packets = itertools.chain(tuple(window), packets)
                return number
        return None

    def _number_of(self, window: deque[Packet[Any]]) -> int | None:
        first = window[0]
        stamp = first.pts if first.pts is not None else first.dts
        place = 0 if stamp is None else int(np.searchsorted(self._stamps, stamp))
        if stamp is None or len(window) < ALIKE or place >= len(self._stamps) or self._stamps[place] != stamp:
            return None
        number = int(self._numbers[place])
        sizes = self.video.packets.sizes[number : number + ALIKE].tolist()
        return number if sizes == [packet.size for packet in window] else None

    def _seconds_between(self, packet: int, later: int) -> float:
        stamps = self.video.packets.stamps
        if packet >= len(stamps):
            return 0.0
        return float((int(stamps[later]) - int(stamps[packet])) * self.video.packets.time_base)

    def _reopen(self) -> None:
        self.close()
        self._open()

    def _open(self) -> None:
        self._container: InputContainer = open_container(self.video.path)
        if self.video.stream_index >= len(self._container.streams):
            self._container.close()
            raise VideoError("the file has changed since it was probed; expected the same streams; probe it again")
        self._stream = self._container.streams[self.video.stream_index]
        self.context: Any = self._stream.codec_context
        self.context.options = dict(DECODER_OPTIONS)
        self.context.thread_count = 0 if self.threads == "auto" else self.threads
        if self.threads == "auto":
            self.context.thread_type = "AUTO"
        self._packets = packets_of(self._container, self._stream)
        self._next = 0
