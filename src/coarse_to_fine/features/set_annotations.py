"""The annotations of a training set, written in our layout with where they come from and what was repaired."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from coarse_to_fine import __version__
from coarse_to_fine.atomic_files import write_json_lines, write_text_atomically
from coarse_to_fine.datasets.layout import LayoutVideo, write_annotations
from coarse_to_fine.datasets.licences import licence_line
from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.datasets.repair import Annotations
from coarse_to_fine.datasets.report import DataReport
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.wording import counted

REPORT = "report.{split}.json"


def write_set(found: Annotations, folder: Path, paths: Mapping[str, Path], **about: object) -> None:
    """Write videos, queries with windows, captions without, `dataset.json` and `report.<split>.json`.

    Args:
        found: what a reader gave; every video that a query names has a duration.
        folder: gets the files.
        paths: files of videos, where known.
        about: further fields of `dataset.json`.
    """
    report = found.report
    named = {query.video_id for query in found.queries}
    videos = [LayoutVideo(info, paths.get(name)) for name, info in found.videos.items() if name in named]
    fine = [query for query in found.queries if query.windows_s]
    captions = [query for query in found.queries if not query.windows_s]
    origin = {
        "name": report.format,
        "source": {"file": Path(report.file).name, "sha256": report.sha256, "format": report.format},
        "licence": licence_line(report.format),
        "splits": {report.split: len(found.queries)},
        "repair_policy": "repair",
        "created_by": f"coarse-to-fine {__version__}",
    }
    write_annotations(folder, report.split, videos, fine, **{**origin, **about})
    if captions:
        write_json_lines(folder / f"coarse.{report.split}.jsonl", map(_caption_row, captions))
    write_report(report, folder)


def write_report(report: DataReport, folder: Path) -> None:
    """Write `report.<split>.json`, what was found in the annotations of a split."""
    text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
    write_text_atomically(folder / REPORT.format(split=report.split), text)


def count_truncated(found: Annotations, texts: FeatureReader) -> None:
    """Count the sentences that are longer than the encoder takes (R10); what it read of them is stored."""
    for query in found.queries:
        if texts.item(query.text).about["truncated"]:
            found.report.add("R10", query.source_line, f"{query.text!r}", "its first part alone is encoded")


def without_videos(found: Annotations, lost: Collection[str]) -> Annotations:
    """The annotations without the queries of lost videos; each query that goes is counted as R08."""
    return without_queries(found, {query.query_id for query in found.queries if query.video_id in lost})


def without_queries(found: Annotations, lost: Collection[str]) -> Annotations:
    """The annotations without some queries; each is counted as R08."""
    kept = []
    for query in found.queries:
        if query.query_id in lost:
            found.report.add("R08", query.source_line, query.video_id, "dropped")
        else:
            kept.append(query)
    named = {query.video_id for query in kept}
    videos = {name: info for name, info in found.videos.items() if name in named}
    report = found.report
    report.rows_kept, report.videos = len(kept), len(named)
    report.windows = sum(len(query.windows_s) for query in kept)
    return replace(found, videos=videos, queries=tuple(kept))


def with_durations(found: Annotations, durations: Mapping[str, float]) -> Annotations:
    """The annotations with a length for every video: the annotated one where there is one, else that of the file."""
    added = {
        name: VideoInfo(name, seconds)
        for name, seconds in durations.items()
        if name not in found.videos and seconds > 0
    }
    return replace(found, videos={**found.videos, **added}) if added else found


def data_report_lines(folder: Path) -> list[str]:
    """What was repaired in the annotations of a training set, one line a code; empty where nothing was."""
    lines = []
    for path in sorted((folder / "annotations").glob(REPORT.format(split="*"))):
        values = json.loads(path.read_text(encoding="utf-8"))
        counts = ", ".join(f"{code} {count}" for code, count in values["repairs"].items())
        if counts:
            queries = counted(values["queries"], "query", "queries")
            lines.append(f"{Path(values['file']).name}: {queries}, repaired: {counts}")
    return lines


def named_videos(queries: Sequence[MomentQuery]) -> list[str]:
    """Ids of the videos of queries, each once, in their order."""
    return list(dict.fromkeys(query.video_id for query in queries))


def _caption_row(query: MomentQuery) -> dict[str, Any]:
    return {**query.extras, "caption_id": query.query_id, "video_id": query.video_id, "text": query.text}
