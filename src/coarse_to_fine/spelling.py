"""From a wrong name to the right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LEAST_LIKENESS = 0.5


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A question for the nearest known name; None where none is near."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=LEAST_LIKENESS)
    return f"did you mean {close[0]!r}?" if close else None


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or the list of all, as the end of a message."""
    names = sorted(known)
    return did_you_mean(name, names) or f"known: {', '.join(names)}"
