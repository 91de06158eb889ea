"""How many cores an operation gets: all of them where it is large enough and they are free, else one.

PyTorch divides every operation among its threads, and those that have finished wait for the others by spinning. Where
other programs want the cores, the waiting ones keep out those that they wait for, and a search takes a hundred times as
long. So work of each kind is timed on one thread once, and goes back to one thread while all of them are much slower.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

SLOWER = 1.5
JUDGED_S = 0.1
"""Less may have been slow by chance."""
RETRY_S, LONGEST_RETRY_S = 0.1, 10.0
"""How long work stays on one thread before all are tried again; twice as long each time that they are slower again."""

_clock = time.perf_counter
_taken = threading.Lock()


@dataclass
class _Pace:
    """How fast one kind of work goes.

    Attributes:
        alone_s: seconds a unit on one thread, the fastest so far; None before the first.
        shared_s, shared_units: on all threads, not judged yet.
        avoided_until: when all threads are tried again.
        retry_s: how long they are avoided the next time.
    """

    alone_s: float | None = None
    shared_s: float = 0.0
    shared_units: int = 0
    avoided_until: float = 0.0
    retry_s: float = RETRY_S

    def may_share(self) -> bool:
        return self.alone_s is not None and _clock() >= self.avoided_until

    def note(self, shared: bool, seconds: float, units: int) -> None:
        """Learn from work that is done."""
        if not shared:
            self.alone_s = min(self.alone_s or math.inf, seconds / units)
            return
        self.shared_s += seconds
        self.shared_units += units
        if self.shared_s < JUDGED_S:
            return
        if self.shared_s > SLOWER * (self.alone_s or math.inf) * self.shared_units:
            self.avoided_until = _clock() + self.retry_s
            self.retry_s = min(2 * self.retry_s, LONGEST_RETRY_S)
        else:
            self.retry_s = RETRY_S
        self.shared_s, self.shared_units = 0.0, 0


_paces: dict[str, _Pace] = {}


@contextmanager
def cores_for(kind: str, units: int, least: int) -> Iterator[None]:
    """Operations inside run on all threads that torch has here, or on one.

    On one, if the work is short, another thread of this process has the cores, or all were slower lately; the first
    work of each kind too, with which the others are compared.

    Args:
        kind: name of the work; units of one kind take about the same time.
        units: size of the work.
        least: size from which on all threads are worth it.
    """
    threads = torch.get_num_threads()
    if units < max(1, least) or threads == 1:
        with _one_thread(threads):
            yield
        return
    pace = _paces.setdefault(kind, _Pace())
    shared = pace.may_share() and _taken.acquire(blocking=False)
    start = _clock()
    try:
        with _one_thread(threads, not shared):
            yield
    finally:
        if shared:
            _taken.release()
        pace.note(shared, _clock() - start, units)


@contextmanager
def _one_thread(threads: int, wanted: bool = True) -> Iterator[None]:
    if not wanted or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
