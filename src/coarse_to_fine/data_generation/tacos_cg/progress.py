"""How far long work on captions is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""progress(done, total, what): called after each part of the work."""
Advance = Callable[[int, int], None]
"""advance(done, total) of one piece of the work."""


def ignored(done: int, total: int) -> None:
    """Nobody wants to know."""


def following(progress: Progress | None, what: str) -> Advance:
    """The progress of one named piece of the work."""
    return ignored if progress is None else lambda done, total: progress(done, total, what)
