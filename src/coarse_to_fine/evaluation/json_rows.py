"""Rows of JSON lines files with their place, and the checks of single fields; every refusal names file and row."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coarse_to_fine.datasets.rows import RowError, shown
from coarse_to_fine.datasets.source import json_lines, read_source
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.overlap import Float64, FloatArray

ID_FIELDS = ("query_id", "qid", "desc_id", "caption_id")
WINDOW_FIELDS = ("relevant_windows", "windows_s", "ts")
"""True windows, by layout."""
PREDICTION_FIELDS = ("pred_relevant_windows", "pred_saliency_scores", "predictions", "videos", "moments")
"""Answers, by layout."""


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object of a file; `where` is `file:line`."""

    where: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, where: str, value: object) -> Row:
        """A row of what stands at a place.

        Raises:
            DataError: it is no JSON object.
        """
        if not isinstance(value, dict):
            raise DataError(f"{where}: {shown(value)}; expected one JSON object a row; correct the row")
        return cls(where, value)

    @property
    def query_id(self) -> str:
        """The id as text, whatever the layout calls it."""
        for name in ID_FIELDS:
            if _is_name(self.fields.get(name)):
                return str(self.fields[name])
        raise self.error(f"no query id among the fields {sorted(self.fields)}", f"one of {', '.join(ID_FIELDS)}")

    def error(self, got: str, expected: str, advice: str = "correct the row") -> DataError:
        """The refusal of this row in three parts."""
        return DataError(f"{self.where}: {got}; expected {expected}; {advice}")

    def text(self, *names: str) -> str | None:
        """The first of these fields that is not null: a text, or a whole number as text; None where all are.

        Raises:
            DataError: it is something else.
        """
        name = next((name for name in names if self.fields.get(name) is not None), None)
        if name is None:
            return None
        if not _is_name(self.fields[name]):
            raise self.error(f"{name} is {shown(self.fields[name])}", "text or a whole number")
        return str(self.fields[name])

    def numbers(self, name: str, width: int | None = None) -> Float64[FloatArray, "N W"]:
        """A list of rows of `width` finite numbers, None: as many as the first has; (0, width) for an empty list."""
        value = self.items(name)
        if width is None:
            width = max(len(value[0]), 1) if value and isinstance(value[0], list) else 1
        for position, item in enumerate(value):
            if not isinstance(item, list) or len(item) != width:
                raise self.error(f"{name}[{position}] is {shown(item)}", f"{width} numbers")
            self._check(name, position, item)
        return np.array(value, dtype=np.float64).reshape(-1, width)

    def named_numbers(self, name: str, width: int) -> tuple[tuple[str, ...], Float64[FloatArray, "N W"]]:
        """A list of rows [video id, number, ...] with `width` numbers; an id is one object in all rows of a file."""
        value = self.items(name)
        for position, item in enumerate(value):
            if not isinstance(item, list) or len(item) != width + 1 or not _is_name(item[0]):
                raise self.error(f"{name}[{position}] is {shown(item)}", f"a video id and {width} numbers")
            self._check(name, position, item[1:])
        spans = np.array([item[1:] for item in value], dtype=np.float64).reshape(-1, width)
        return tuple(sys.intern(str(item[0])) for item in value), spans

    def vector(self, name: str) -> Float64[FloatArray, " N"]:
        """A list of finite numbers."""
        value = self.items(name)
        self._check(name, None, value)
        return np.array(value, dtype=np.float64)

    def windows(self, name: str, width: int) -> Float64[FloatArray, "N W"]:
        """`numbers` whose first two columns are start <= end."""
        found = self.numbers(name, width)
        self.refuse_reversed(name, found)
        return found

    def refuse_reversed(self, name: str, spans: Float64[FloatArray, "N W"], advice: str = "correct the row") -> None:
        """Raise DataError unless start <= end in the first two columns of a list."""
        for position in np.flatnonzero(spans[:, 1] < spans[:, 0]):
            start_s, end_s = spans[position, :2]
            raise self.error(f"{name}[{position}] starts at {start_s:g} and ends at {end_s:g}", "start <= end", advice)

    def items(self, name: str) -> list[Any]:
        """A field that has to be a list."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            raise self.error(f"{name} is {shown(value)}", "a list")
        return value

    def _check(self, name: str, position: int | None, values: Sequence[Any]) -> None:
        for at, value in enumerate(values):
            if not is_number(value):
                place = f"{name}[{at}]" if position is None else f"{name}[{position}]"
                raise self.error(f"{place} holds {shown(value)}", "finite numbers", "remove NaN and text from the row")


def read_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON lines file.

    Raises:
        DataError: the file cannot be read, a line is no JSON object, or there is none at all.
    """
    empty = True
    for item in json_lines(read_source(path)):
        empty = False
        if isinstance(item, RowError):
            raise DataError(f"{path}:{item.refusal.line}: {item}; expected one JSON object a line; correct the line")
        line, fields = item
        yield Row.of(f"{path}:{line}", fields)
    if empty:
        raise DataError(f"{path}: no rows; expected one JSON object a line; check that the file was written to its end")


def read_document(path: Path, marks: Collection[str]) -> dict[str, Any] | None:
    """The one JSON object that fills a file and has one of the keys `marks`; None where the file is something else."""
    text = read_source(path).text
    if not any(f'"{mark}"' in text for mark in marks):
        return None
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and document.keys() & set(marks) else None


def is_number(value: object) -> bool:
    """Whether it is a finite number that float64 holds; truth values are none."""
    try:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:
        return False


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
