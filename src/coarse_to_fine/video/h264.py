"""The parts of an H.264 stream: NAL units, parameter sets, and the record in which MP4 keeps the sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coarse_to_fine.errors import VideoError

SLICE, IDR, SPS, PPS = 1, 5, 7, 8
B_SLICE = 1
SLICE_TYPES = 5
"""Numbers from five on say that all slices of the picture are of one type."""
HIGH_PROFILES = frozenset((100, 110, 122, 144))
PROFILES = {66: "baseline", 77: "main", 100: "high"}
"""Names of the profiles for 8-bit 4:2:0 pictures by their number."""
MOST_SETS = 32
START_CODE = re.compile(rb"\x00\x00\x01")


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder must know before the first picture: sequence and picture parameter sets, as NAL units."""

    sequence: tuple[bytes, ...]
    picture: tuple[bytes, ...]

    def __add__(self, other: ParameterSets) -> ParameterSets:
        return ParameterSets(self.sequence + other.sequence, self.picture + other.picture)

    def __contains__(self, unit: bytes) -> bool:
        return unit in self.sequence or unit in self.picture

    @property
    def profile(self) -> int:
        """Number of the profile of the first sequence."""
        return self.sequence[0][1]

    @property
    def level(self) -> int:
        """Ten times the level of the first sequence."""
        return self.sequence[0][3]

    def free_number(self) -> int:
        """The smallest number that no set has.

        Raises:
            VideoError: all are taken.
        """
        taken = {_number(unit[4:]) for unit in self.sequence} | {_number(unit[1:]) for unit in self.picture}
        free = set(range(1, MOST_SETS)) - taken
        if not free:
            raise VideoError("all numbers of parameter sets are taken; expected a free one; cut it with coding")
        return min(free)

    def record(self) -> bytes:
        """The `avcC` record for units with four bytes of length (ISO/IEC 14496-15, section 5.3.3.1)."""
        head = bytes((1, *self.sequence[0][1:4], 0xFF, 0xE0 | len(self.sequence)))
        sets = _counted(self.sequence, 2) + bytes((len(self.picture),)) + _counted(self.picture, 2)
        return head + sets + (bytes((0xFD, 0xF8, 0xF8, 0)) if self.profile in HIGH_PROFILES else b"")


@dataclass(frozen=True, slots=True)
class Layout:
    """How units lie in the packets of a stream: behind `length_size` bytes of length, or start codes if that is 0."""

    length_size: int

    @classmethod
    def of(cls, extradata: bytes) -> Layout:
        """Of the stream that has this `avcC` record, or parameter sets behind start codes."""
        return cls((extradata[4] & 3) + 1 if _is_record(extradata) else 0)

    def units(self, data: bytes) -> Iterator[bytes]:
        """NAL units of a packet.

        Raises:
            VideoError: a length leads out of the packet.
        """
        if self.length_size == 0:
            yield from _between_start_codes(data)
            return
        place = 0
        while place < len(data):
            start = place + self.length_size
            place = start + int.from_bytes(data[place:start], "big")
            if not start < place <= len(data):
                raise VideoError("a damaged picture; expected whole NAL units; cut it with coding")
            yield data[start:place]


def parameter_sets(extradata: bytes) -> ParameterSets:
    """The sets in an `avcC` record, or behind start codes.

    Raises:
        VideoError: there is no sequence or no picture set.
    """
    units = list(_record_units(extradata) if _is_record(extradata) else _between_start_codes(extradata))
    sets = ParameterSets(tuple(u for u in units if kind(u) == SPS), tuple(u for u in units if kind(u) == PPS))
    if not sets.sequence or not sets.picture or min(map(len, sets.sequence)) < 5:
        raise VideoError("the file has no H.264 parameter sets in its head; expected them; cut it with coding")
    return sets


def kind(unit: bytes) -> int:
    """The type of a NAL unit."""
    return unit[0] & 0x1F


def begins_with_b_slice(units: Iterable[bytes]) -> bool:
    """Whether the first slice of a picture is a B slice, which builds on a picture that is shown later.

    Args:
        units: of one packet (ISO/IEC 14496-10, section 7.3.3 has the head of a slice).
    """
    first = next((unit for unit in units if kind(unit) in (SLICE, IDR)), b"")
    return len(first) > 1 and _numbers(first[1:], 2)[1] % SLICE_TYPES == B_SLICE


def with_lengths(units: Iterable[bytes]) -> bytes:
    """A packet of units behind four bytes of length each."""
    return _counted(units, 4)


def _is_record(extradata: bytes) -> bool:
    return len(extradata) >= 7 and extradata[0] == 1


def _record_units(record: bytes) -> Iterator[bytes]:
    place = 5
    for mask in (0x1F, 0xFF):
        count = record[place] & mask if place < len(record) else 0
        place += 1
        for _ in range(count):
            start = place + 2
            place = start + int.from_bytes(record[place:start], "big")
            yield record[start:place]


def _between_start_codes(data: bytes) -> Iterator[bytes]:
    starts = [found.end() for found in START_CODE.finditer(data)]
    for start, stop in zip(starts, [*(start - 3 for start in starts[1:]), len(data)]):
        if unit := data[start:stop].rstrip(b"\x00"):
            yield unit


def _counted(units: Iterable[bytes], size: int) -> bytes:
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


def _number(data: bytes) -> int:
    return _numbers(data, 1)[0]


def _numbers(data: bytes, count: int) -> list[int]:
    """The unsigned Exp-Golomb numbers at the start; small ones end before a start code could be escaped."""
    bits = f"{int.from_bytes(data[:4].ljust(4, bytes(1)), 'big'):032b}"
    numbers = []
    for _ in range(count):
        zeros = bits.index("1") if "1" in bits else 0
        numbers.append(int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1)
        bits = bits[2 * zeros + 1 :]
    return numbers
