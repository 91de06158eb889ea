"""What a reader found in an annotation file: every repair counted with examples, every refused row named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CODES = {
    "R01": "byte-order mark, CRLF or blank lines",
    "R02": "start after end: swapped",
    "R03": "start below zero: set to 0",
    "R04": "end after the end of the video: cut",
    "R05": "window outside the video or of zero length: dropped",
    "R06": "the same video, text and windows again: kept",
    "R07": "windows unsorted or overlapping: sorted",
    "R08": "video missing or unreadable: dropped",
    "R09": "white space in the text: normalised",
    "R10": "text longer than the encoder takes: kept, cut when encoded",
    "R11": "unknown extra fields: kept in extras",
    "R12": "no window, though other rows have some: taken for a caption of the whole video",
    "E01": "not in the encoding",
    "E02": "broken JSON or a wrong number of fields",
    "E03": "missing or misspelt field",
    "E04": "wrong type",
    "E05": "NaN, infinity or an absurd number",
    "E06": "duplicate query id",
    "E07": "empty text",
    "E08": "video without duration",
    "E09": "duration not positive, or two durations for one video",
    "E10": "highlight labels instead of windows",
}
EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be read; `line` is 1-based in text files and 0-based in JSON lists and objects."""

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Example:
    """One repair: where, and the value before and after."""

    line: int
    before: str
    after: str


@dataclass(slots=True)
class DataReport:
    """Counts of one annotation file; `counts` holds only what was found, `without_duration` ids of videos (E08).

    `dropped` are the ids of queries that no window is left of (R05).
    """

    file: str
    format: str
    split: str
    sha256: str = ""
    rows_read: int = 0
    rows_kept: int = 0
    videos: int = 0
    windows: int = 0
    suspicious: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    without_duration: dict[str, None] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def add(self, code: str, line: int, before: object, after: object) -> None:
        """Count one repair and keep the first ones as examples."""
        self.counts[code] = self.counts.get(code, 0) + 1
        kept = self.examples.setdefault(code, [])
        if len(kept) < EXAMPLES:
            kept.append(Example(line, str(before), str(after)))

    def include(self, row: DataReport) -> None:
        """Add what was found in one row."""
        for code, count in row.counts.items():
            self.counts[code] = self.counts.get(code, 0) + count
            kept = self.examples.setdefault(code, [])
            kept += row.examples[code][: EXAMPLES - len(kept)]
        self.suspicious += row.suspicious
        self.without_duration.update(row.without_duration)

    def lines(self) -> list[str]:
        """One line a code for a person: code, meaning, count, first example."""
        found = [
            f"{code} {CODES[code]}: {count} (first in row {first.line}: {first.before} -> {first.after})"
            for code, count in sorted(self.counts.items())
            for first in self.examples[code][:1]
        ]
        if self.suspicious:
            found.append(f"of R04, {self.suspicious} end more than max(2 s, 10 %) after the video: check the durations")
        return found + [f"{one.code} row {one.line}: {one.message}" for one in self.refused]

    def as_json(self) -> dict[str, Any]:
        """The public JSON form."""
        return {
            "file": self.file,
            "format": self.format,
            "split": self.split,
            "sha256": self.sha256,
            "rows": self.rows_read,
            "queries": self.rows_kept,
            "videos": self.videos,
            "windows": self.windows,
            "repairs": dict(sorted(self.counts.items())),
            "suspicious": self.suspicious,
            "examples": {
                code: [[one.line, one.before, one.after] for one in examples]
                for code, examples in self.examples.items()
            },
            "refused": [{"line": one.line, "code": one.code, "message": one.message} for one in self.refused],
        }
