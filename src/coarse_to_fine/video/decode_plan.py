"""Which packets are decoded for which frames: the groups of pictures that hold a wanted frame, and no others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coarse_to_fine.video.video_file import Integers, PacketIndex


@dataclass(frozen=True, slots=True)
class Run:
    """Packets decoded in one go by a decoder that starts afresh.

    Attributes:
        start: first packet, where decoding can start.
        end: last packet that is needed.
        frames: wanted frames, in the order in which they are shown.
    """

    start: int
    end: int
    frames: tuple[int, ...]


class DecodePlan:
    """Looks up frames, packets and the places where decoding can start."""

    def __init__(self, packets: PacketIndex) -> None:
        self.frame_packets = packets.frame_packets
        self.frame_of_packet: Integers = np.full(len(packets.is_key), -1, np.int64)
        self.frame_of_packet[packets.frame_packets] = np.arange(len(packets.frame_packets))
        self.key_packets: Integers = np.flatnonzero(packets.is_key)
        self.counted = packets.clock != "pts"
        self.torn = packets.torn

    def runs(self, frames: tuple[int, ...], keys_back: int = 0) -> list[Run]:
        """Runs for ascending frames, each starting `keys_back` more places earlier than should be needed."""
        runs: list[Run] = []
        for frame in frames:
            start, end = self.start_for(frame, keys_back), int(self.frame_packets[frame])
            if runs and start <= runs[-1].end + 1:
                last = runs.pop()
                runs.append(Run(last.start, max(last.end, end), (*last.frames, frame)))
            else:
                runs.append(Run(start, end, (frame,)))
        if self.counted and runs:
            return [Run(0, len(self.frame_of_packet) - 1, frames)]
        return runs

    def start_for(self, frame: int, keys_back: int = 0) -> int:
        """The last packet at or before the frame's, in the file and on show, where decoding can start.

        A picture that is shown before a key picture but stored after it needs the group before.
        """
        place = int(np.searchsorted(self.key_packets, self.frame_packets[frame], side="right")) - 1
        while place >= 0 and self.frame_of_packet[self.key_packets[place]] > frame:
            place -= 1
        place -= keys_back
        return int(self.key_packets[place]) if place >= 0 else 0

    def next_key(self, packet: int) -> int | None:
        """The first packet after `packet` where decoding can start."""
        place = int(np.searchsorted(self.key_packets, packet, side="right"))
        return int(self.key_packets[place]) if place < len(self.key_packets) else None
