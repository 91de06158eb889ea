"""Reads an annotation file: bytes to text and JSON, with the place of whatever is broken."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coarse_to_fine.datasets.rows import RowError, checked_object, shown
from coarse_to_fine.errors import DataError
from coarse_to_fine.wording import counted

BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Source:
    """A decoded annotation file; `notes` are the harmless oddities of its text form (R01)."""

    path: Path
    text: str
    sha256: str
    notes: tuple[str, ...]


def read_source(path: Path, encoding: str = "utf-8") -> Source:
    """Read and decode a file; a byte-order mark and CRLF are noted and removed.

    Raises:
        DataError: the file is missing or not in the encoding (with byte offset and line).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; expected a text file; check the path") from None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"E01 {path}: byte {error.start} in line {line} is not {encoding}; find the encoding with "
            "ctf data check --encoding NAME, then convert the file: iconv -f NAME -t UTF-8"
        ) from None
    notes = []
    if text.startswith(BOM):
        text, notes = text[1:], ["byte-order mark"]
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        notes.append("CRLF")
    return Source(path, text, hashlib.sha256(data).hexdigest(), tuple(notes))


def text_lines(source: Source) -> Iterator[tuple[int, str]]:
    """(1-based line, text) of the lines that are not blank; a missing final newline loses nothing."""
    for line, text in enumerate(source.text.split("\n"), start=1):
        if text.strip():
            yield line, text


def json_lines(source: Source) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
    """(1-based line, object) of a JSON lines file, or the error of a line."""
    for line, text in text_lines(source):
        try:
            yield line, checked_object(parse_json(text, line), line)
        except RowError as error:
            yield error


def json_list(source: Source, value: Any) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
    """(0-based item, object) of a JSON list of the file, or the error of an item.

    Raises:
        RowError: E02, the value is no list.
    """
    if not isinstance(value, list):
        raise RowError("E02", 1, f"{source.path.name} holds a JSON {type(value).__name__}; expected a list of objects")
    for item, row in enumerate(value):
        try:
            yield item, checked_object(row, item)
        except RowError as error:
            yield error


def json_document(source: Source) -> Any:
    """The one JSON value of a file.

    Raises:
        RowError: E02 with line and column, E06 for a key that stands twice in one object.
    """
    return parse_json(source.text, 1)


def parse_json(text: str, line: int) -> Any:
    """Strict JSON, each key once; NaN and Infinity become floats that the field checks refuse by name."""

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _twice(text, line, next(name for name in found if [key for key, _ in pairs].count(name) > 1))
        return found

    try:
        return json.loads(text, object_pairs_hook=fields)
    except json.JSONDecodeError as error:
        where, rest = line + error.lineno - 1, shown(text[error.pos :].strip())
        why = f"{rest} after the end; expected nothing there" if error.msg == "Extra data" else error.msg
        raise RowError("E02", where, f"broken JSON at column {error.colno}: {why}") from None
    except ValueError as error:
        raise RowError("E05", line, f"a number that cannot be read ({error}); expected a time in seconds") from None
    except RecursionError:
        raise RowError("E02", line, "JSON nested too deeply; expected flat rows") from None


def csv_rows(source: Source) -> Iterator[tuple[int, dict[str, Any]] | RowError]:
    """(1-based line where the row ends, fields by header) of a csv with quoting; quoted cells may hold line breaks.

    Raises:
        RowError: E02, broken quoting or two columns of one name.
    """
    reader = csv.reader(io.StringIO(source.text), strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise RowError("E02", 1, f"two of the columns {header} have one name; rename one")
        for cells in reader:
            if len(cells) == len(header):
                yield reader.line_num, dict(zip(header, cells, strict=True))
            elif cells:
                yield RowError(
                    "E02", reader.line_num, f"{counted(len(cells), 'cell')}; expected {len(header)}, as in the header"
                )
    except csv.Error as error:
        raise RowError("E02", reader.line_num, f"broken csv: {error}") from None


def _twice(text: str, line: int, key: str) -> RowError:
    """A key that one object has twice; names the lines where the file holds it twice and no more."""
    marks = re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)
    places = [line + text.count("\n", 0, mark.start()) for mark in marks]
    lines = f" in lines {places[0]} and {places[1]}" if len(places) == 2 else ""
    where = places[1] if len(places) == 2 else line
    return RowError("E06", where, f"{key!r} stands twice in one object{lines}; expected each key once; remove one")
