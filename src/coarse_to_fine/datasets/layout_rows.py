"""Files of our annotation layout as rows of a data set: `queries.<split>.jsonl` and `coarse.<split>.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coarse_to_fine.datasets.layout import CAPTION_FIELDS, VIDEOS, LayoutVideo, query_extras, read_videos
from coarse_to_fine.datasets.rows import (
    RawRow,
    RowError,
    identifier,
    read_each,
    require,
    sentence,
    unknown_fields,
    windows,
)
from coarse_to_fine.datasets.source import Source, json_lines
from coarse_to_fine.errors import DataError

QUERY_FIELDS = ("query_id", "video_id", "text", "windows_s")
OPTIONAL_FIELDS = ("extras", "saliency")
_FILE = re.compile(r"(queries|coarse)\.(.+)\.jsonl")


def queries(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line; durations come from the `videos.jsonl` beside the file.

    Raises:
        DataError: that file is missing or broken.
    """
    videos = _videos_beside(source.path)
    if videos is None:
        raise DataError(
            f"no {VIDEOS} beside {source.path}; expected the durations of its videos there; put the file there"
        )
    return read_each(json_lines(source), lambda line, row: _query(line, row, videos))


def captions(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line, without windows; durations from `videos.jsonl`, where that lies beside the file."""
    videos = _videos_beside(source.path) or {}
    return read_each(json_lines(source), lambda line, row: _caption(line, row, videos))


def part_of(path: Path) -> tuple[str, str] | None:
    """`queries` or `coarse`, and the split, by a name of the layout; None for other names."""
    found = _FILE.fullmatch(path.name)
    return (found[1], found[2]) if found else None


def layout_files(folder: Path, split: str | None = None) -> list[Path]:
    """The files of a folder in our layout, queries before captions; None: of all its splits.

    Raises:
        DataError: there is none; the message names the splits that there are.
    """
    named = {path: part for path in sorted(folder.glob("*.jsonl"), reverse=True) if (part := part_of(path))}
    files = [path for path, (_, name) in named.items() if split in (None, name)]
    if not files:
        there = ", ".join(sorted({name for _, name in named.values()}))
        got = f"holds the splits {there}, not {split}" if there else "is a folder without queries.<split>.jsonl"
        raise DataError(f"{folder} {got}; expected an annotation file, or a folder in our layout; check path and split")
    return files


def queries_file(folder: Path, split: str | None = None) -> Path:
    """The file of queries in a folder in our layout; None: of its only split.

    Raises:
        DataError: there is none, or there are several to choose from.
    """
    files = [path for path in layout_files(folder, split) if path.name.startswith("queries.")]
    if len(files) != 1:
        names = ", ".join(sorted(path.name for path in files)) or "captions alone"
        raise DataError(f"{folder} holds {names}; expected one file of queries; name the file itself")
    return files[0]


def caption_files(path: Path) -> list[Path]:
    """The file itself, or the files of captions of all splits of a folder in our layout.

    Raises:
        DataError: the folder holds none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("coarse.*.jsonl"))
    if not files:
        raise DataError(
            f"{path} is a folder without coarse.<split>.jsonl; expected a file of captions, or a folder in our layout; "
            "name the file itself"
        )
    return files


def _query(line: int, row: dict[str, Any], videos: dict[str, LayoutVideo]) -> RawRow:
    require(row, QUERY_FIELDS, line)
    video_id = identifier(row["video_id"], "video_id", line)
    if video_id not in videos:
        raise RowError("E08", line, f"video {video_id!r} is not in {VIDEOS}; expected its duration there; add it")
    info = videos[video_id].info
    return RawRow(
        line,
        identifier(row["query_id"], "query_id", line),
        video_id,
        sentence(row["text"], "text", line),
        windows(row["windows_s"], "windows_s", line),
        info.duration_s,
        info.fps,
        query_extras(row, line),
        unknown_fields(row, (*QUERY_FIELDS, *OPTIONAL_FIELDS)),
    )


def _caption(line: int, row: dict[str, Any], videos: dict[str, LayoutVideo]) -> RawRow:
    require(row, CAPTION_FIELDS, line)
    video_id = identifier(row["video_id"], "video_id", line)
    info = videos[video_id].info if video_id in videos else None
    return RawRow(
        line,
        identifier(row["caption_id"], "caption_id", line),
        video_id,
        sentence(row["text"], "text", line),
        None,
        info.duration_s if info else None,
        info.fps if info else None,
        unknown_fields(row, CAPTION_FIELDS),
    )


def _videos_beside(path: Path) -> dict[str, LayoutVideo] | None:
    return read_videos(path.parent) if (path.parent / VIDEOS).is_file() else None
