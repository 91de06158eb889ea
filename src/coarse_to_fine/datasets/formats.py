"""Recognises an annotation file by its content and reads it into records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from coarse_to_fine.arguments import require_path
from coarse_to_fine.datasets import (
    activitynet,
    charades_cd,
    charades_cg,
    charades_sta,
    didemo,
    highlights,
    layout_rows,
    lsmdc,
    msrvtt,
    qvhighlights,
    tacos,
    tacos_cg,
)
from coarse_to_fine.datasets.repair import Annotations, Policy, assemble
from coarse_to_fine.datasets.report import DataReport
from coarse_to_fine.datasets.rows import RawRow, RowError
from coarse_to_fine.datasets.source import Source, read_source
from coarse_to_fine.errors import DataError
from coarse_to_fine.spelling import did_you_mean
from coarse_to_fine.wording import counted, first_of

Rows = Callable[[Source], Iterator[RawRow | RowError]]

FORMATS: dict[str, Rows] = {
    "tacos": tacos.rows,
    "charades-cd": charades_cd.rows,
    "charades-cg": charades_cg.rows,
    "activitynet": activitynet.rows,
    "qvhighlights": qvhighlights.rows,
    "lighthouse": qvhighlights.rows,
    "highlights": highlights.rows,
    "tacos-cg": tacos_cg.rows,
    "msrvtt": msrvtt.pairs,
    "msrvtt-captions": msrvtt.captions,
    "msrvtt-list": msrvtt.listed,
    "didemo-csv": didemo.csv_captions,
    "didemo": didemo.segment_moments,
    "lsmdc": lsmdc.rows,
    "ctf": layout_rows.queries,
    "ctf-captions": layout_rows.captions,
}
"""Readers that need only the file and what lies beside it; `charades-sta` needs the durations too."""

COARSE_CAPTIONS = ("tacos-cg", "ctf-captions")
"""Formats of captions of whole videos that were made beside the sentences of their moments."""

LOOKED_AT = 20
"""First lines among which one that is whole says the format."""

LINE_FIELDS = ("qid", "query", "vid", "relevant_windows", "relevant_clip_ids", "saliency_scores")
"""Fields of the rows of JSON lines, of which a row has two or more, whatever else is wrong with it."""

SPLITS = (
    "test_composition",
    "test_iid",
    "test_ood",
    "test_trivial",
    "novel_composition",
    "novel_word",
    "train",
    "val",
    "test",
)


def read_annotation_file(
    path: str | Path,
    format: str | None = None,
    split: str | None = None,
    policy: Policy = "repair",
    durations: Mapping[str, float] | None = None,
    encoding: str = "utf-8",
) -> Annotations:
    """Read one annotation file; refused rows are listed in the report and not among the queries.

    Args:
        path: the file, or a folder in our layout, of which the queries of one split are read.
        format: a key of FORMATS or `charades-sta`; None recognises it by content.
        split: name of the split; None takes it from the file name, or the only one of a folder.
        policy: `repair` mends and counts, `strict` refuses every row that would need mending.
        durations: seconds by video for Charades-STA; None looks for a table beside the file.
        encoding: of the file.

    Raises:
        DataError: the file cannot be read at all, or its format is unknown.
    """
    require_path(path, "the annotation file")
    source = read_source(annotation_file(Path(path), split), encoding)
    name = format or guess_format(source)
    part = split or guess_split(source.path)
    report = DataReport(str(source.path), name, part, source.sha256)
    for note in source.notes:
        report.add("R01", 1, note, "accepted")
    if name == "charades-sta":
        known = durations if durations is not None else charades_sta.find_durations(source.path)
        rows = charades_sta.rows(source, known, part)
    elif name in FORMATS:
        rows = FORMATS[name](source)
    else:
        formats = ["charades-sta", *FORMATS]
        step = did_you_mean(name, formats) or "name one of them"
        raise DataError(f"format {name!r} is unknown; expected one of {', '.join(formats)}; {step}")
    return assemble(_until_broken(rows), report, policy)


def load_annotations(path: str | Path, **options: object) -> Annotations:
    """`read_annotation_file` for training and evaluation: a refused row is an error, since it changes a denominator.

    Raises:
        DataError: names file, first refused row and the number of refused rows; of videos without duration their
            number and the first five.
    """
    annotations = read_annotation_file(path, **options)  # type: ignore[arg-type]
    refused, without = annotations.report.refused, list(annotations.report.without_duration)
    if without:
        raise DataError(
            f"{path}: E08 {counted(len(without), 'video has', 'videos have')} no duration ({first_of(without)}); "
            "expected one for each video; put a table durations.csv (video_id, duration in seconds) beside the file"
        )
    if refused:
        more = f"; {counted(len(refused) - 1, 'more row')}: see ctf data check" if len(refused) > 1 else ""
        raise DataError(f"{path}: {refused[0].code} row {refused[0].line}: {refused[0].message}{more}")
    return annotations


def annotation_file(path: Path, split: str | None = None) -> Path:
    """The file itself, or the queries of a folder in our layout.

    Raises:
        DataError: a folder that holds none of this split, or several to choose from.
    """
    return layout_rows.queries_file(path, split) if path.is_dir() else path


def guess_format(source: Source) -> str:
    """Name of the format by content.

    Raises:
        DataError: nothing known looks like this.
    """
    head = source.text.lstrip()[:100_000]
    rows = head.split("\n", LOOKED_AT)[:LOOKED_AT]
    if own := _guess_own(rows, source.path):
        return own
    if name := _guess_header(rows[0]) or _guess_rows(rows):
        return name
    if head.startswith("{") and '"sen_id"' in source.text:
        return "msrvtt-captions"
    if head.startswith(("{", "[")) and (name := _guess_document(head)):
        return name
    raise DataError(f"{source.path}: {_unlike_any(head, rows[0])}")


def guess_split(path: Path) -> str:
    """The split that a file of our layout is named after, else a split's name in the file name, else `all`."""
    own = layout_rows.part_of(path)
    return own[1] if own else next((split for split in SPLITS if split in path.stem.lower()), "all")


def _guess_own(rows: Sequence[str], path: Path) -> str | None:
    """A file of our layout by its first rows; an empty one, as of a split without windows, by its name."""
    for row in rows:
        if row.startswith("{") and '"query_id"' in row:
            return "ctf"
        if row.startswith("{") and '"caption_id"' in row:
            return "ctf-captions"
    own = None if rows[0] else layout_rows.part_of(path)
    return {"queries": "ctf", "coarse": "ctf-captions"}[own[0]] if own else None


def _guess_header(first: str) -> str | None:
    """Name of a csv format by its header."""
    if first.startswith("key,") and "video_id" in first:
        return "msrvtt"
    if first.strip() == "video_id":
        return "msrvtt-list"
    return "didemo-csv" if "video_path" in first and "starts" in first else None


def _guess_rows(rows: Sequence[str]) -> str | None:
    """Name of a format of one row a line by the first line that is like its rows; broken ones before it are passed."""
    for row in rows:
        if re.match(r"^\S+\s+\S+\s+\S+##", row):
            return "charades-sta"
        if row.count("\t") == lsmdc.COLUMNS - 1:
            return "lsmdc"
        if row.startswith("{") and sum(f'"{name}"' in row for name in LINE_FIELDS) > 1:
            return _guess_line(row)
    return None


def _guess_line(row: str) -> str:
    """Which set of JSON lines has a row like this one."""
    if '"label"' in row and not re.search(r'"relevant_windows"\s*:\s*\[', row):
        return "highlights"
    return "lighthouse" if '"relevant_windows"' in row and '"relevant_clip_ids"' not in row else "qvhighlights"


def _guess_document(head: str) -> str | None:
    """Name of a format whose file is one JSON document."""
    marks = {
        "num_frames": "tacos-cg" if '"summarized_sentence"' in head else "tacos",
        "video_duration": "charades-cd",
        "novels": "charades-cg",
        "news": "charades-cg",
        "annotation_id": "didemo",
    }
    for mark, name in marks.items():
        if f'"{mark}"' in head:
            return name
    if re.match(r'^\{\s*"[A-Z0-9]{5}"', head):
        return "charades-cg"
    return "activitynet" if re.match(r'^\{\s*"[^"]*"\s*:\s*\{', head) else None


def _unlike_any(head: str, first: str) -> str:
    """What a file of no known format is, what was expected of it, and what to do."""
    if not head:
        return "is empty; expected annotations; check the path, or write the file again"
    fields = _first_fields(head)
    if sum(name in LINE_FIELDS for name in fields) > 1 or "query_id" in fields:
        found, step = (
            ("a JSON list of rows", "jq -c '.[]'") if head.startswith("[") else ("a row over many lines", "jq -c .")
        )
        return f"holds {found}; expected one row a line (JSON lines); write it so: {step} FILE > FILE.jsonl"
    if fields:
        return (
            f"holds rows with the fields {', '.join(fields)[:200]}; expected those of a known format, such as qid, "
            "query, vid, duration, relevant_windows, one row a line; rename them (formats: docs/data.md)"
        )
    return (
        f"begins with {first[:50]!r}; expected an annotation file of a known format, such as JSON lines with qid, "
        "query, vid, duration, relevant_windows (formats: docs/data.md); `ctf data check FILE --format NAME` says how "
        "far it is one"
    )


def _first_fields(head: str) -> list[str]:
    """Fields of the first object of a JSON list or of objects; none where there is no such object."""
    try:
        value, _ = json.JSONDecoder().raw_decode(head.lstrip("[ \t\r\n"))
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


def _until_broken(rows: Iterator[RawRow | RowError]) -> Iterator[RawRow | RowError]:
    """Rows up to the one that breaks the whole file, which comes last as an error."""
    try:
        yield from rows
    except RowError as error:
        yield error
