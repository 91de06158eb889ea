"""One row of an annotation file as written, before any repair, and the checks of single fields."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coarse_to_fine.datasets.report import Refusal

ABSURD = 1e7
"""No time of a video is longer than this, seconds (115 days)."""


@dataclass(slots=True)
class RawRow:
    """A sentence with its windows in seconds as the file gives them; `windows` is None where a format has none."""

    line: int
    query_id: str
    video_id: str
    text: str
    windows: list[tuple[float, float]] | None
    duration_s: float | None
    fps: float | None = None
    extras: dict[str, Any] = field(default_factory=dict)


class RowError(Exception):
    """A row that cannot be read."""

    def __init__(self, code: str, line: int, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(line, code, message)


def number(value: object, name: str, line: int) -> float:
    """A finite number of reasonable size; bool and text are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError("E04", line, f"{name} is {value!r}; expected a number")
    if abs(value) > ABSURD or not math.isfinite(value):
        raise RowError("E05", line, f"{name} is {value!r}; expected a time in seconds below {ABSURD:.0e}")
    return float(value)


def parse_number(text: str, name: str, line: int) -> float:
    """A number written as text."""
    try:
        value = float(text)
    except ValueError:
        raise RowError("E04", line, f"{name} is {text!r}; expected a number") from None
    return number(value, name, line)


def sentence(value: object, name: str, line: int) -> str:
    """A text that is not blank."""
    if not isinstance(value, str):
        raise RowError("E04", line, f"{name} is {value!r}; expected text")
    if not value.strip():
        raise RowError("E07", line, f"{name} is empty; remove the row or write the sentence")
    return value


def windows(value: object, name: str, line: int, scale: float = 1.0) -> list[tuple[float, float]]:
    """[[start, end], ...] with every number multiplied by `scale`."""
    if not isinstance(value, list):
        raise RowError("E04", line, f"{name} is {value!r}; expected [[start, end], ...]")
    found = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowError("E04", line, f"{name} holds {pair!r}; expected [start, end]")
        found.append((number(pair[0], name, line) * scale, number(pair[1], name, line) * scale))
    return found


def require(row: Mapping[str, Any], names: Iterable[str], line: int) -> None:
    """All fields are there; the message names the nearest one that is."""
    for name in names:
        if name not in row:
            near = difflib.get_close_matches(name, list(row), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise RowError("E03", line, f"no field {name!r} among {sorted(row)}{hint}")


def parallel(lists: Mapping[str, object], line: int) -> int:
    """Length of lists that belong together."""
    lengths = {}
    for name, value in lists.items():
        if not isinstance(value, list):
            raise RowError("E04", line, f"{name} is {type(value).__name__}; expected a list")
        lengths[name] = len(value)
    if len(set(lengths.values())) > 1:
        raise RowError("E04", line, f"lists of different length: {lengths}")
    return next(iter(lengths.values()))


def unknown_fields(row: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Fields that no reader uses by name."""
    return {name: value for name, value in row.items() if name not in known}
