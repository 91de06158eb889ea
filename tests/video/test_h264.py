"""Parameter sets and NAL units are read from both ways to store them, and written as MP4 wants them."""

from __future__ import annotations

import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.h264 import Layout, ParameterSets, begins_with_b_slice, parameter_sets, with_lengths

SEQUENCE = bytes.fromhex("674d400beca1423f2c2000000300200057e401e28532c0")
PICTURE = bytes.fromhex("68ce06f2")
OTHER_SEQUENCE = bytes.fromhex("6764000b10b2d8508fcb0800000300080015f90078a157")
OTHER_PICTURE = bytes.fromhex("681022ac0acb22c0")
CODE = bytes.fromhex("000001")


def test_a_record_is_read_as_it_was_written() -> None:
    both = ParameterSets((SEQUENCE,), (PICTURE,)) + ParameterSets((OTHER_SEQUENCE,), (OTHER_PICTURE,))
    record = both.record()
    assert parameter_sets(record) == both
    assert Layout.of(record) == Layout(4)
    assert (both.profile, both.level) == (77, 11)


def test_sets_behind_start_codes_are_read() -> None:
    data = b"\x00" + CODE + SEQUENCE + CODE + PICTURE
    sets = parameter_sets(data)
    assert sets == ParameterSets((SEQUENCE,), (PICTURE.rstrip(b"\x00"),))
    assert Layout.of(data) == Layout(0)
    assert PICTURE in sets
    assert OTHER_PICTURE not in sets


def test_a_free_number_is_in_no_set() -> None:
    assert ParameterSets((SEQUENCE,), (PICTURE,)).free_number() == 1
    number = bytes.fromhex("40")  # bits 010: number 1
    taken = ParameterSets((SEQUENCE,), (b"\x68" + number, OTHER_PICTURE))
    assert taken.free_number() == 2
    every = tuple(b"\x68" + ((n + 1) << (32 - 2 * (n + 1).bit_length() + 1)).to_bytes(4, "big") for n in range(32))
    with pytest.raises(VideoError, match="taken"):
        ParameterSets((SEQUENCE,), every).free_number()


@pytest.mark.parametrize(
    ("units", "is_b"),
    [
        ([b"\x67\x64", b"\x01\x9c"], True),  # bits 1 00111: macroblock 0, type 6
        ([b"\x41\x9a"], False),  # bits 1 00110: type 5, P
        ([b"\x01\xa8"], True),  # bits 1 010: type 1
        ([b"\x65\x88"], False),  # bits 1 0001000: type 7, I
        ([b"\x01"], False),
        ([], False),
    ],
)
def test_the_head_of_a_slice_tells_its_type(units: list[bytes], is_b: bool) -> None:
    assert begins_with_b_slice(units) is is_b


def test_units_are_the_same_in_both_layouts() -> None:
    units = [b"\x65\x01\x00\x02", b"\x41\x80"]
    assert list(Layout(4).units(with_lengths(units))) == units
    assert list(Layout(0).units(b"\x00" + CODE + units[0] + CODE + units[1])) == units


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x09\x65", b"\x00\x00\x00\x00", b"\x00\x00"])
def test_damaged_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(VideoError, match="damaged"):
        list(Layout(4).units(data))


@pytest.mark.parametrize("extradata", [b"", CODE + PICTURE, bytes((1, 77, 64, 11, 0xFF, 0xE0, 0))])
def test_missing_sets_are_refused(extradata: bytes) -> None:
    with pytest.raises(VideoError, match=r"no H\.264 parameter sets"):
        parameter_sets(extradata)
