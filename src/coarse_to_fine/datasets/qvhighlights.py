"""The JSON lines of QVHighlights and, with fewer fields, of Lighthouse's releases of the other moment sets.

Source: Lei et al., Moment-DETR, NeurIPS 2021 (annotations CC BY-NC-SA 4.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coarse_to_fine.datasets.rows import RawRow, RowError, number, parallel, require, sentence, unknown_fields, windows
from coarse_to_fine.datasets.source import Source, json_lines

FIELDS = ("qid", "query", "duration", "vid", "relevant_windows", "relevant_clip_ids", "saliency_scores")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line; a released test file has no windows."""
    for item in json_lines(source):
        if isinstance(item, RowError):
            yield item
            continue
        try:
            yield _row(*item)
        except RowError as error:
            yield error


def _row(line: int, row: Any) -> RawRow:
    if not isinstance(row, dict):
        raise RowError("E04", line, f"a JSON {type(row).__name__}; expected an object")
    if row.get("relevant_windows") is None and "label" in row:
        raise RowError("E10", line, "highlight labels and no windows; read it as format 'highlights'")
    require(row, ("qid", "query", "duration", "vid"), line)
    if "relevant_window" in row:
        require(row, ("relevant_windows",), line)
    found = windows(row["relevant_windows"], "relevant_windows", line) if "relevant_windows" in row else None
    extras = unknown_fields(row, FIELDS)
    if "saliency_scores" in row or "relevant_clip_ids" in row:
        require(row, ("saliency_scores", "relevant_clip_ids"), line)
        parallel({name: row[name] for name in ("relevant_clip_ids", "saliency_scores")}, line)
        extras["saliency"] = {"clip_s": 2.0, "clip_ids": row["relevant_clip_ids"], "scores": row["saliency_scores"]}
    return RawRow(
        line,
        str(row["qid"]),
        str(row["vid"]),
        sentence(row["query"], "query", line),
        found,
        number(row["duration"], "duration", line),
        None,
        extras,
    )
