"""Stopping a run by a signal: at the end of the step, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_interruption(ask: Callable[[], None]) -> Iterator[None]:
    """Call `ask` at the first SIGINT or SIGTERM inside the block; a second one acts as it would without the block.

    Only the main thread can watch signals; in others the block does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        restore()
        ask()

    try:
        for number in SIGNALS:
            signal.signal(number, handle)
        yield
    finally:
        restore()
