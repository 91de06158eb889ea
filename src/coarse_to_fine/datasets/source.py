"""Reads an annotation file: bytes to text and JSON, with the place of whatever is broken."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coarse_to_fine.datasets.rows import RowError
from coarse_to_fine.errors import DataError

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
        raise DataError(f"{path}: {error.strerror}; expected an annotation file; check the path") from None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"E01 {path}: byte {error.start} in line {line} is not {encoding}; give the right one with --encoding"
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


def json_lines(source: Source) -> Iterator[tuple[int, Any] | RowError]:
    """(1-based line, value) of a JSON lines file, or the error of a line."""
    for line, text in text_lines(source):
        try:
            yield line, parse_json(text, line)
        except RowError as error:
            yield error


def json_document(source: Source) -> Any:
    """The one JSON value of a file.

    Raises:
        RowError: E02 with line and column.
    """
    return parse_json(source.text, 1)


def parse_json(text: str, line: int) -> Any:
    """Strict JSON; NaN and Infinity become floats that the field checks refuse by name."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = line + error.lineno - 1
        raise RowError("E02", where, f"broken JSON at column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise RowError("E02", line, "JSON nested too deeply; expected flat rows") from None


def csv_rows(source: Source) -> Iterator[tuple[int, dict[str, str]]]:
    """(1-based line where the row ends, fields by header) of a csv with quoting; quoted cells may hold line breaks."""
    reader = csv.DictReader(io.StringIO(source.text), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise RowError("E02", reader.line_num, f"broken csv: {error}") from None
