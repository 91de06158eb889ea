"""Processes that work for this one and end with it: at once on Ctrl-C or an error, and when it is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SENT_WITHIN_S = 3.0
"""A result that is on its way to a living parent arrives in less."""


class WorkerProcesses:
    """Spawned processes that run tasks; used as a context.

    Left without an error, it waits for all tasks. Left by an error or Ctrl-C, it ends the processes amid their tasks,
    so tasks write files whole or not at all. Only this process hears Ctrl-C.

    Args:
        count: how many processes, at most.
        start: called once in each before its first task, with `arguments`; picklable.
    """

    def __init__(self, count: int, start: Callable[..., None] | None = None, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = context.Pipe(duplex=False)  # its end tells the workers that this process gave up
        self._pool = ProcessPoolExecutor(count, context, _begin, (self._theirs, start, arguments))

    def submit(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The result to come of a picklable task; do not cancel it, leave the context instead."""
        with _interrupts_held():  # a process that starts here inherits the mask
            return self._pool.submit(_run, task, *args, **kwargs)

    def __enter__(self) -> WorkerProcesses:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is not None:
            self._give_up()
        self._pool.shutdown(cancel_futures=kind is not None)
        self._ours.close()
        self._theirs.close()

    def _give_up(self) -> None:
        processes = list((self._pool._processes or {}).values())  # public from Python 3.14 on, as terminate_workers
        self._ours.close()
        late = threading.Timer(SENT_WITHIN_S, _terminate, (processes,))  # who is still starting does not listen yet
        late.daemon = True
        late.start()


def _terminate(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let this thread, and processes that it starts, get no Ctrl-C; Windows knows no such mask."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_result_under_way = threading.Lock()
"""Held in a worker between two tasks: a parent that got a part of a result would wait for the rest for ever."""


def _begin(
    parent_gave_up: connection.Connection, start: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(parent_gave_up,), daemon=True).start()
    if start is not None:
        start(*arguments)


def _run(task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    if _result_under_way.locked():
        _result_under_way.release()
    try:
        return task(*args, **kwargs)
    finally:
        _result_under_way.acquire()


def _end_with_parent(parent_gave_up: connection.Connection) -> None:
    parent = multiprocessing.parent_process()
    connection.wait([parent_gave_up] if parent is None else [parent_gave_up, parent.sentinel])
    _result_under_way.acquire(timeout=SENT_WITHIN_S)
    os._exit(1)
