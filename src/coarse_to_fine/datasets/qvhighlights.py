"""The JSON lines of QVHighlights and, with fewer fields, of Lighthouse's releases of the other moment sets.

Source: Lei et al., Moment-DETR, NeurIPS 2021 (annotations CC BY-NC-SA 4.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coarse_to_fine.datasets.rows import (
    RawRow,
    RowError,
    check_saliency,
    identifier,
    number,
    read_each,
    require,
    sentence,
    unknown_fields,
    windows,
)
from coarse_to_fine.datasets.source import Source, json_lines

FIELDS = ("qid", "query", "duration", "vid", "relevant_windows", "relevant_clip_ids", "saliency_scores")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line; a released test file has no windows."""
    return read_each(json_lines(source), _row)


def _row(line: int, row: dict[str, Any]) -> RawRow:
    if row.get("relevant_windows") is None and "label" in row:
        raise RowError("E10", line, "highlight labels and no windows; read it as format 'highlights'")
    require(row, ("qid", "query", "duration", "vid"), line)
    if "relevant_window" in row:
        require(row, ("relevant_windows",), line)
    found = windows(row["relevant_windows"], "relevant_windows", line) if "relevant_windows" in row else None
    return RawRow(
        line,
        identifier(row["qid"], "qid", line),
        identifier(row["vid"], "vid", line),
        sentence(row["query"], "query", line),
        found,
        number(row["duration"], "duration", line),
        None,
        _saliency(row, line) if "saliency_scores" in row or "relevant_clip_ids" in row else {},
        unknown_fields(row, FIELDS),
    )


def _saliency(row: dict[str, Any], line: int) -> dict[str, Any]:
    """The scores of the annotators for each clip, under the name of our layout."""
    require(row, ("saliency_scores", "relevant_clip_ids"), line)
    clips, scores = row["relevant_clip_ids"], row["saliency_scores"]
    check_saliency(clips, scores, line)
    return {"saliency": {"clip_s": 2.0, "clip_ids": clips, "scores": scores}}
