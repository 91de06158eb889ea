"""Times as people read them."""

from __future__ import annotations

import pytest

from coarse_to_fine.hits.clips import clip_name
from coarse_to_fine.hits.times import clock, clock_range
from coarse_to_fine.types import MomentHit


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [(59.96, 1, "1:00.0"), (3599.999, 2, "1:00:00.00"), (7.004, 3, "0:07.004"), (0.05, 2, "0:00.05")],
)
def test_a_time_is_rounded_to_its_decimals(seconds, decimals, text):
    assert clock(seconds, decimals) == text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (7, 12.34, "0:07.0-0:12.3"),
        (0, 0.033, "0:00.00-0:00.03"),
        (3601.001, 3601.004, "1:00:01.001-1:00:01.004"),
        (1, 1, "0:01.000-0:01.000"),
    ],
)
def test_start_and_end_never_read_alike(start, end, text):
    assert clock_range(start, end) == text


def test_the_clip_of_a_flash_is_named_by_both_its_ends():
    hit = MomentHit("one", "/videos/one.mp4", 0.0, 0.033, 0.9, 0.5, 0.2, 1, (0.0, 2.0))
    assert clip_name(hit, 1) == "01 one 0m00.00s-0m00.03s.mp4"
