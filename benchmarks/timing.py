"""How long a piece of work takes, for the programs beside this file."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

LONG_S = 10.0
"""What takes longer is timed once."""
SHORT_S = 0.5
"""What takes less in all is repeated more often, if repeated at all: milliseconds depend on what was done before."""


def median_ms(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median milliseconds of the clock on the wall and of the process's CPU time; the first run does not count."""
    wall: list[float] = []
    cpu: list[float] = []
    while len(wall) <= repeats or (repeats > 1 and sum(wall) < SHORT_S * 1000):
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
        if wall[-1] > LONG_S * 1000:
            return wall[-1], cpu[-1]
    return statistics.median(wall[1:]), statistics.median(cpu[1:])
