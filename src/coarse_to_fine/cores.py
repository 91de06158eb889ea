"""Parts of one task beside one another, each on a core of its own.

PyTorch divides every single operation among its threads. Where blocks of a task fit a core's cache, whole blocks beside
one another are faster: nothing moves from core to core, and no core waits for the others after each operation.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise

import torch


class _ThreadCores(threading.local):
    """Of this thread: the cores that `share` may use while `one_thread_an_operation` holds; 0: it does not."""

    cores = 0


_thread = _ThreadCores()
_sharing = threading.Lock()


@contextmanager
def one_thread_an_operation() -> Iterator[None]:
    """For the small operations before and between shared tasks, which then still get all cores.

    After an operation on several threads the others wait for the next one by spinning, for milliseconds, and take the
    cores from what is shared meanwhile. Torch keeps the number by thread, the library that multiplies matrices for all.
    """
    if _thread.cores:
        yield
        return
    _thread.cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_thread.cores)
        _thread.cores = 0


@torch.no_grad()
def share(work: Callable[[slice], None], length: int, least: int, device: str = "cpu") -> None:
    """Run `work` on equal parts of 0 ... length, as many as torch has threads here, and wait for all of them.

    A single part runs where it is asked for: of a short task, or while another thread shares its own.

    Args:
        work: writes its results itself; it runs without gradients, in inference mode where the caller does, its
            operations on one thread each.
        length: of all parts together.
        least: length of a part below which fewer are made.
        device: type of the device that computes; one that is no processor gets everything at once.

    Raises:
        Exception: the first that `work` raised.
    """
    threads = _thread.cores or torch.get_num_threads()
    if device != "cpu" or threads == 1 or not _sharing.acquire(blocking=False):
        work(slice(0, length))
        return
    try:
        with one_thread_an_operation():
            _run(work, length, max(1, min(threads, length // max(1, least))), threads)
    finally:
        _sharing.release()


def _run(work: Callable[[slice], None], length: int, parts: int, threads: int) -> None:
    if parts == 1:
        work(slice(0, length))
        return
    bounds = [length * part // parts for part in range(parts + 1)]
    inference = torch.is_inference_mode_enabled()  # torch knows it by thread

    def run(part: slice) -> None:
        with torch.inference_mode(inference), torch.no_grad():
            work(part)

    own, *others = (slice(*pair) for pair in pairwise(bounds))
    parts_at_work = [_pool(threads - 1, os.getpid()).submit(run, part) for part in others]
    try:
        work(own)  # here: a thread that only waited would be one more to be woken, often on a core that is taken
    finally:
        wait(parts_at_work)
    for part in parts_at_work:
        part.result()


@functools.lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process; a fork gets its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="core", initializer=_start)


def _start() -> None:
    torch.set_num_threads(1)
