"""One row of an annotation file as written, before any repair, and the checks of single fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coarse_to_fine.datasets.report import Refusal
from coarse_to_fine.spelling import did_you_mean

ABSURD = 1e7
"""No time of a video is longer than this, seconds (115 days)."""


@dataclass(slots=True)
class RawRow:
    """A sentence with its windows in seconds as the file gives them.

    `windows` is None where a format has none; `unknown` are the fields that no reader uses by name (R11).
    """

    line: int
    query_id: str
    video_id: str
    text: str
    windows: list[tuple[float, float]] | None
    duration_s: float | None
    fps: float | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)


class RowError(Exception):
    """A row that cannot be read."""

    def __init__(self, code: str, line: int, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(line, code, message)


Items = Iterable[tuple[int, dict[str, Any]] | RowError]
"""The objects of a file with their line or item, and the errors of those that are none."""


def read_each(items: Items, read: Callable[[int, dict[str, Any]], RawRow]) -> Iterator[RawRow | RowError]:
    """`read` of every object; what it refuses and what is no object comes out as an error in its place."""
    for item in items:
        try:
            yield item if isinstance(item, RowError) else read(*item)
        except RowError as error:
            yield error


def checked_object(value: object, line: int) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise RowError("E04", line, f"a JSON {type(value).__name__} ({shown(value)}); expected an object")
    return value


def shown(value: object) -> str:
    """A value as messages quote it, at most 60 letters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def identifier(value: object, name: str, line: int) -> str:
    """An id as text; the file may write it as a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise RowError("E04", line, f"{name} is {shown(value)}; expected an id, a text or a whole number")
    return str(value)


def number(value: object, name: str, line: int) -> float:
    """A finite number of reasonable size; bool and text are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowError("E04", line, f"{name} is {shown(value)}; expected a number")
    if not abs(value) <= ABSURD:
        raise RowError("E05", line, f"{name} is {shown(value)}; expected a time in seconds below {ABSURD:.0e}")
    return float(value)


def parse_number(text: str, name: str, line: int) -> float:
    """A number written as text."""
    try:
        value = float(text)
    except ValueError:
        raise RowError("E04", line, f"{name} is {shown(text)}; expected a number") from None
    return number(value, name, line)


def sentence(value: object, name: str, line: int) -> str:
    """A text that is not blank."""
    if not isinstance(value, str):
        raise RowError("E04", line, f"{name} is {shown(value)}; expected text")
    if not value.strip():
        raise RowError("E07", line, f"{name} is empty; remove the row or write the sentence")
    return value


def windows(value: object, name: str, line: int, rate: float = 1.0) -> list[tuple[float, float]]:
    """[[start, end], ...] in seconds; the file has `rate` units a second."""
    if not isinstance(value, list):
        raise RowError("E04", line, f"{name} is {shown(value)}; expected [[start, end], ...]")
    found = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowError("E04", line, f"{name} holds {shown(pair)}; expected [start, end]")
        found.append((number(pair[0], name, line) / rate, number(pair[1], name, line) / rate))
    return found


def require(row: Mapping[str, Any], names: Iterable[str], line: int) -> None:
    """All fields are there; the message names the nearest one that is."""
    for name in names:
        if name not in row:
            near = did_you_mean(name, row)
            raise RowError("E03", line, f"no field {name!r} among {sorted(row)}" + (f"; {near}" if near else ""))


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


def check_saliency(clips: object, scores: object, line: int) -> None:
    """Clips by number, and for each of them the scores of as many annotators."""
    parallel({"clip ids": clips, "saliency scores": scores}, line)
    assert isinstance(clips, list)
    assert isinstance(scores, list)
    for clip, annotators in zip(clips, scores, strict=True):
        if type(clip) is not int or clip < 0:
            raise RowError("E04", line, f"clip ids hold {shown(clip)}; expected whole numbers from 0")
        if not isinstance(annotators, list):
            raise RowError("E04", line, f"saliency scores hold {shown(annotators)}; expected a list of annotators")
        for score in annotators:
            number(score, "saliency score", line)
    widths = {len(annotators) for annotators in scores}
    if len(widths) > 1:
        raise RowError("E04", line, f"saliency scores of {sorted(widths)} annotators; expected as many for each clip")


def unknown_fields(row: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Fields that no reader uses by name."""
    return {name: value for name, value in row.items() if name not in known}
