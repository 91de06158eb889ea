"""Turns raw rows into records: repairs what is harmless and counts it, refuses the rest.

Order of the window rules: swap (R02), clamp the start (R03), drop if outside or empty (R05), clamp the end (R04), sort
(R07).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.datasets.report import DataReport
from coarse_to_fine.datasets.rows import RawRow, RowError

Policy = Literal["repair", "strict"]
Window = tuple[float, float]
SAME_DURATION_S = 0.01
HARMLESS = ("R01", "R11")
"""Repairs that change nothing of a row."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """A data set's split: its videos by id, its queries in file order, and what was found on the way."""

    videos: dict[str, VideoInfo]
    queries: tuple[MomentQuery, ...]
    report: DataReport


def assemble(rows: Iterable[RawRow | RowError], report: DataReport, policy: Policy = "repair") -> Annotations:
    """Repair, check and collect rows, filling `report`; `strict` refuses what needs a repair other than R01, R11."""
    videos: dict[str, VideoInfo] = {}
    queries: dict[str, MomentQuery] = {}
    seen: set[tuple[str, str, tuple[Window, ...]]] = set()
    lines: dict[str, int] = {}
    unknown: set[str] = set()
    for row in rows:
        report.rows_read += 1
        found = DataReport(report.file, report.format, report.split)
        try:
            if isinstance(row, RowError):
                raise row
            _refuse_duplicate(row, lines)
            _count_unknown(row, unknown, found)
            query = repaired(row, found, videos, seen)
            if policy == "strict":
                _refuse_repairs(row.line, found)
            if query is None:
                report.dropped.append(row.query_id)
            else:
                queries[query.query_id] = query
        except RowError as error:
            report.refused.append(error.refusal)
        report.include(found)
    report.rows_kept = len(queries)
    report.videos = len({query.video_id for query in queries.values()})
    report.windows = sum(len(query.windows_s) for query in queries.values())
    if report.windows:
        for query in queries.values():
            if not query.windows_s:
                report.add("R12", query.source_line, repr(query.text), "a caption")
    return Annotations(videos, tuple(queries.values()), report)


def repaired(
    row: RawRow,
    report: DataReport,
    videos: dict[str, VideoInfo],
    seen: set[tuple[str, str, tuple[Window, ...]]],
) -> MomentQuery | None:
    """One row as a record, or None where no window is left; adds its video to `videos`."""
    text = " ".join(row.text.split())
    if text != row.text:
        report.add("R09", row.line, repr(row.text), repr(text))
    key = (row.video_id, text.lower(), tuple(row.windows or ()))
    if key in seen:
        report.add("R06", row.line, f"{row.video_id} {text!r}", "kept")
    seen.add(key)
    _check_duration(row, videos)
    extras = row.extras | row.unknown
    if text != row.text:
        extras["raw_text"] = row.text
    windows: tuple[Window, ...] = ()
    if row.windows:
        if row.duration_s is None:
            report.without_duration[row.video_id] = None
            raise RowError("E08", row.line, f"no duration for video {row.video_id!r}; give the file of durations")
        windows = repaired_windows(row.windows, row.duration_s, row.line, report)
        if not windows:
            return None
    return MomentQuery(row.query_id, row.video_id, text, windows, report.split, row.line, extras)


def repaired_windows(windows: list[Window], duration_s: float, line: int, report: DataReport) -> tuple[Window, ...]:
    """Windows inside [0, duration], sorted; every change is counted."""
    kept = windows_inside(windows, duration_s, line, report)
    ordered = sorted(kept)
    if ordered != kept or any(left[1] > right[0] for left, right in itertools.pairwise(ordered)):
        report.add("R07", line, kept, ordered)
    return tuple(ordered)


def windows_inside(windows: Sequence[Window], duration_s: float, line: int, report: DataReport) -> list[Window]:
    """Windows inside [0, duration] in their order, those outside or of zero length dropped; every change is counted."""
    kept: list[Window] = []
    for start, end in windows:
        original = (start, end)
        if start > end:
            start, end = end, start
            report.add("R02", line, original, (start, end))
        if start < 0:
            report.add("R03", line, original, (0.0, end))
            start = 0.0
        if start >= duration_s or end <= start:
            report.add("R05", line, original, f"dropped, the video lasts {duration_s} s")
            continue
        if end > duration_s:
            report.add("R04", line, (start, end), (start, duration_s))
            report.suspicious += end - duration_s > max(2.0, 0.1 * duration_s)
            end = duration_s
        kept.append((start, end))
    return kept


def _check_duration(row: RawRow, videos: dict[str, VideoInfo]) -> None:
    if row.duration_s is None:
        return
    if row.duration_s <= 0:
        raise RowError("E09", row.line, f"duration of {row.video_id!r} is {row.duration_s}; expected more than 0 s")
    known = videos.setdefault(row.video_id, VideoInfo(row.video_id, row.duration_s, row.fps))
    if abs(known.duration_s - row.duration_s) > SAME_DURATION_S:
        raise RowError(
            "E09", row.line, f"two durations for {row.video_id!r}: {known.duration_s} s and {row.duration_s} s"
        )


def _refuse_duplicate(row: RawRow, lines: dict[str, int]) -> None:
    first = lines.setdefault(row.query_id, row.line)
    if first != row.line:
        raise RowError("E06", row.line, f"query id {row.query_id!r} stands in rows {first} and {row.line}")


def _count_unknown(row: RawRow, unknown: set[str], found: DataReport) -> None:
    for name in (name for name in row.unknown if name not in unknown):
        found.add("R11", row.line, name, "kept in extras")
    unknown.update(row.unknown)


def _refuse_repairs(line: int, found: DataReport) -> None:
    """Refuse a row for the first of its repairs."""
    for code in (code for code in found.counts if code not in HARMLESS):
        example = found.examples[code][0]
        raise RowError(code, line, f"{example.before} would become {example.after}")
