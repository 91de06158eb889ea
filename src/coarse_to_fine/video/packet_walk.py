"""One walk over the packets of a stream: lists them all in little memory, decodes only the first picture."""

from __future__ import annotations

import itertools
from array import array
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import packets_of
from coarse_to_fine.video.h264 import Layout, begins_with_b_slice
from coarse_to_fine.video.timing import NO_STAMP, PacketList

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ORDER_TRIAL = 40
"""Packets decoded to see whether pictures come out in another order than they are stored, where stamps do not say.

Later H.264 pictures say it themselves: the encoder may find its first use for another order minutes later."""
SHOWN_IN_VP8 = 0x10
KEY, SHOWN, CORRUPT, CUT_AWAY = 1, 2, 4, 8


class PacketWalk:
    """What a walk found.

    Attributes:
        first_frame: the first picture that could be decoded, or None.
        first_error: the first complaint of the decoder, or None.
        read_error: why the container could not be read to its end, or None.
    """

    def __init__(self) -> None:
        self.first_frame: VideoFrame | None = None
        self.first_error: av.FFmpegError | None = None
        self.read_error: av.FFmpegError | None = None
        self._pts, self._dts = array("q"), array("q")
        self._durations, self._sizes = array("q"), array("q")
        self._flags = bytearray()
        self._output_order: list[int] = []
        self._has_late_b_slice = False

    @classmethod
    def through(cls, container: InputContainer, stream: VideoStream) -> PacketWalk:
        """Walks from the start of the file to its end, or as far as it can be read."""
        walk = cls()
        context = stream.codec_context
        context.thread_count = 1
        in_doubt = True
        layout = Layout.of(context.extradata or b"") if context.name == "h264" else None
        try:
            for packet in packets_of(container, stream):
                walk._append(packet, is_vp8=context.name == "vp8")
                in_doubt = in_doubt and not walk.comes_out_of_order and walk._order_is_unsaid(context)
                if walk.first_frame is None or (in_doubt and len(walk) <= ORDER_TRIAL):
                    walk._decode(context, packet)
                elif in_doubt:
                    walk._has_late_b_slice = layout is not None and _has_b_slice(packet, layout)
        except av.FFmpegError as error:
            walk.read_error = error
        if walk.first_frame is None or len(walk) <= ORDER_TRIAL:
            walk._decode(context, None)
        return walk

    def __len__(self) -> int:
        return len(self._flags)

    @property
    def comes_out_of_order(self) -> bool:
        """Whether pictures are decoded in another order than they are stored, as far as it was looked at."""
        pairs = itertools.pairwise(self._output_order)
        return self._has_late_b_slice or any(later < earlier for earlier, later in pairs)

    def packets(self, *, with_cut_away: bool = False) -> PacketList:
        """All packets, without a last one that was cut in the middle.

        Args:
            with_cut_away: whether pictures that an edit list cuts away are shown all the same.
        """
        flags = np.frombuffer(bytes(self._flags), np.uint8)
        count = len(flags) - int(len(flags) > 1 and bool(flags[-1] & CORRUPT))
        flags = flags[:count]
        return PacketList(
            pts=np.array(self._pts, np.int64)[:count],
            dts=np.array(self._dts, np.int64)[:count],
            durations=np.maximum(np.array(self._durations, np.int64)[:count], 0),
            sizes=np.array(self._sizes, np.int64)[:count],
            is_key=(flags & KEY) != 0,
            is_shown=(flags & (SHOWN if with_cut_away else SHOWN | CUT_AWAY)) == SHOWN,
        )

    def _append(self, packet: Packet[Any], is_vp8: bool) -> None:
        self._pts.append(NO_STAMP if packet.pts is None else packet.pts)
        self._dts.append(NO_STAMP if packet.dts is None else packet.dts)
        self._durations.append(packet.duration or 0)
        self._sizes.append(packet.size)
        shown = not is_vp8 or bool(memoryview(packet)[0] & SHOWN_IN_VP8)
        flags = KEY * packet.is_keyframe | SHOWN * shown | CORRUPT * packet.is_corrupt | CUT_AWAY * packet.is_discard
        self._flags.append(flags)

    def _order_is_unsaid(self, context: Any) -> bool:
        """Whether the codec may store pictures out of order and yet time stamps only ascend."""
        return bool(context.has_b_frames) and (len(self) < 2 or self._pts[-1] >= self._pts[-2])

    def _decode(self, context: Any, packet: Packet[Any] | None) -> None:
        try:
            if packet is not None:
                packet.pts = len(self) - 1
            for frame in context.decode(packet):
                self.first_frame = self.first_frame or frame
                if frame.pts is not None:
                    self._output_order.append(frame.pts)
        except av.FFmpegError as error:
            self.first_error = self.first_error or error


def _has_b_slice(packet: Packet[Any], layout: Layout) -> bool:
    try:
        return begins_with_b_slice(layout.units(bytes(packet)))
    except VideoError:
        return False
