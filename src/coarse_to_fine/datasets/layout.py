"""Our annotation layout on disk (docs/formats.md): `videos.jsonl`, `queries.<split>.jsonl`, `coarse.<split>.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from coarse_to_fine.arguments import require_path
from coarse_to_fine.atomic_files import write_json_lines, write_text_atomically
from coarse_to_fine.datasets.records import MomentQuery, VideoInfo
from coarse_to_fine.datasets.rows import (
    RowError,
    check_saliency,
    checked_object,
    identifier,
    number,
    require,
    sentence,
    shown,
    unknown_fields,
    windows,
)
from coarse_to_fine.datasets.source import parse_json, read_source, text_lines
from coarse_to_fine.errors import DataError

VIDEOS = "videos.jsonl"
DATASET = "dataset.json"
QUERIES = {"fine": "queries", "coarse": "coarse"}
"""Kind of sentences (of moments, of whole videos) -> start of the name of their file."""
CAPTION_FIELDS = ("caption_id", "video_id", "text")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayoutVideo:
    """One line of `videos.jsonl`; `path` is absolute, or None where the set does not say where the file lies."""

    info: VideoInfo
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class AnnotationSet:
    """One split of a set.

    Attributes:
        folder: where it lies.
        split: its name.
        videos: videos of the set by id (all splits; those of this split are the ones its queries name).
        queries: fine sentences with windows, in file order.
        coarse: coarse captions as queries without windows, in file order; empty where the split has none.
    """

    folder: Path
    split: str
    videos: dict[str, LayoutVideo] = field(default_factory=dict)
    queries: tuple[MomentQuery, ...] = ()
    coarse: tuple[MomentQuery, ...] = ()

    def video_ids(self) -> list[str]:
        """Videos that the split's sentences name, in the order of `videos.jsonl`."""
        named = {query.video_id for query in (*self.queries, *self.coarse)}
        return [video_id for video_id in self.videos if video_id in named]


def read_annotations(folder: str | Path, split: str) -> AnnotationSet:
    """Read a split.

    Raises:
        DataError: a file is missing or a line does not hold what it should; names file and line.
    """
    require_path(folder, "the folder of annotations")
    folder = Path(folder)
    videos = read_videos(folder)
    queries = _read(folder / f"queries.{split}.jsonl", "query_id", lambda line: _query(line, split, videos))
    path = folder / f"coarse.{split}.jsonl"
    coarse = _read(path, "caption_id", lambda line: _caption(line, split, videos)) if path.is_file() else []
    return AnnotationSet(folder, split, videos, tuple(queries), tuple(coarse))


def read_videos(folder: Path) -> dict[str, LayoutVideo]:
    """The videos of a set by id; errors as for `read_annotations`."""
    found = _read(folder / VIDEOS, "video_id", lambda line: _video(line, folder))
    return {video.info.video_id: video for video in found}


def splits(folder: str | Path) -> list[str]:
    """Names of the splits that a set has, sorted."""
    return sorted(
        path.name.removeprefix("queries.").removesuffix(".jsonl") for path in Path(folder).glob("queries.*.jsonl")
    )


def queries_file(folder: str | Path, split: str, kind: str = "fine") -> Path:
    """The file of one kind of sentences: `fine` for those of moments, `coarse` for captions of whole videos.

    Raises:
        DataError: no such kind or file.
    """
    require_path(folder, "the folder of annotations")
    if kind not in QUERIES:
        raise DataError(f"kind of queries {kind!r}; expected {' or '.join(QUERIES)}; name one of them")
    path = Path(folder) / f"{QUERIES[kind]}.{split}.jsonl"
    if not Path(folder).is_dir():
        raise DataError(f"{folder} is no folder; expected one with videos.jsonl and {path.name}; check the path")
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in Path(folder).glob("*.jsonl")))
        if not there:
            raise DataError(f"{folder} holds no annotations; expected {VIDEOS} and {path.name}; check the path")
        raise DataError(f"no {path.name} in {folder}, which holds {there}; check --split and --queries")
    return path


def with_alternates(queries: Iterable[MomentQuery]) -> list[MomentQuery]:
    """Each query followed by its paraphrases (`extras.alternates`: text, windows_s), which get ids `<query_id>~<n>`."""
    expanded = []
    for query in queries:
        expanded.append(query)
        for place, other in enumerate(query.extras.get("alternates", ()), start=1):
            spans = tuple((float(start), float(end)) for start, end in other["windows_s"])
            expanded.append(
                replace(query, query_id=f"{query.query_id}~{place}", text=other["text"], windows_s=spans, extras={})
            )
    return expanded


def query_row(query: MomentQuery) -> dict[str, Any]:
    """A query as a line of `queries.<split>.jsonl`."""
    extras = dict(query.extras)
    saliency = {"saliency": extras.pop("saliency")} if "saliency" in extras else {}
    return {
        "query_id": query.query_id,
        "video_id": query.video_id,
        "text": query.text,
        "windows_s": [list(window) for window in query.windows_s],
        **saliency,
        "extras": extras,
    }


def write_annotations(
    folder: str | Path, split: str, videos: Iterable[LayoutVideo], queries: Iterable[MomentQuery], **about: Any
) -> None:
    """Write `videos.jsonl`, the queries of one split and `dataset.json` with `about`; other splits stay."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for video in videos:
        row: dict[str, Any] = {
            "video_id": video.info.video_id,
            "duration_s": video.info.duration_s,
            "fps": video.info.fps,
        }
        rows.append(row | ({"path": str(video.path)} if video.path is not None else {}))
    write_json_lines(folder / VIDEOS, rows)
    write_json_lines(folder / f"queries.{split}.jsonl", map(query_row, queries))
    write_text_atomically(folder / DATASET, json.dumps(about, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class _Line:
    path: Path
    number: int
    values: dict[str, Any]

    def take(self, name: str) -> Any:
        if name not in self.values:
            raise DataError(
                f"{self.path.name} line {self.number} has no {name!r} (it has {', '.join(self.values)}); "
                "expected our annotation layout (docs/formats.md); write the set again"
            )
        return self.values[name]

    def id(self, name: str) -> str:
        return identifier(self.take(name), name, self.number)

    def text(self) -> str:
        return sentence(self.take("text"), "text", self.number)

    def wrong(self, what: str) -> DataError:
        return DataError(f"{self.path.name} line {self.number}: {what}; correct the line or write the set again")


def _read(path: Path, id_name: str, read: Callable[[_Line], T]) -> list[T]:
    """`read` of every line of a file in which each id stands once."""
    rows: list[T] = []
    lines: dict[str, int] = {}
    for line in _lines(path):
        try:
            rows.append(read(line))
            first = lines.setdefault(line.id(id_name), line.number)
        except RowError as error:
            raise line.wrong(str(error)) from None
        if first != line.number:
            raise line.wrong(f"{id_name} {line.values[id_name]!r} stands in line {first} too, expected each id once")
    return rows


def _lines(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise DataError(
            f"{path} is no file; expected an annotation folder with {path.name}; check the folder and the name of the "
            "split"
        )
    for place, line in text_lines(read_source(path)):
        try:
            yield _Line(path, place, checked_object(parse_json(line, place), place))
        except RowError as error:
            raise DataError(f"{path.name} line {place}: {error}; expected one JSON object a line") from None


def _video(line: _Line, folder: Path) -> LayoutVideo:
    fps, path = line.values.get("fps"), line.values.get("path")
    duration_s = number(line.take("duration_s"), "duration_s", line.number)
    if duration_s <= 0:
        raise line.wrong(f"duration_s is {duration_s:g}, expected more than 0 s")
    if path is not None and not isinstance(path, str):
        raise line.wrong(f"path is {shown(path)}, expected text")
    info = VideoInfo(line.id("video_id"), duration_s, number(fps, "fps", line.number) if fps else None)
    return LayoutVideo(info, (folder / path).absolute() if path else None)


def _query(line: _Line, split: str, videos: dict[str, LayoutVideo]) -> MomentQuery:
    video_id = _known_video(line, videos)
    duration = videos[video_id].info.duration_s
    found = windows(line.take("windows_s"), "windows_s", line.number)
    for start, end in found:
        if not 0 <= start < end <= duration + 1e-3:
            raise line.wrong(f"window [{start:g}, {end:g}] of a video of {duration:g} s, expected 0 <= start < end")
    extras = query_extras(line.values, line.number)
    return MomentQuery(line.id("query_id"), video_id, line.text(), tuple(found), split, line.number, extras)


def query_extras(values: dict[str, Any], place: int) -> dict[str, Any]:
    """The extras of a line of `queries.<split>.jsonl`, and its saliency among them.

    Raises:
        RowError: they are of a wrong form.
    """
    extras = dict(checked_object(values.get("extras") or {}, place))
    _check_alternates(extras.get("alternates", []), place)
    if values.get("saliency") is not None:
        extras["saliency"] = _saliency(values["saliency"], place)
    return extras


def _check_alternates(alternates: object, place: int) -> None:
    if not isinstance(alternates, list):
        raise RowError("E04", place, f"alternates is {shown(alternates)}; expected a list of paraphrases")
    for other in alternates:
        fields = checked_object(other, place)
        require(fields, ("text", "windows_s"), place)
        sentence(fields["text"], "text of an alternate", place)
        windows(fields["windows_s"], "windows_s of an alternate", place)


def _saliency(value: object, place: int) -> dict[str, Any]:
    found = checked_object(value, place)
    require(found, ("clip_s", "clip_ids", "scores"), place)
    number(found["clip_s"], "clip_s", place)
    check_saliency(found["clip_ids"], found["scores"], place)
    return found


def _caption(line: _Line, split: str, videos: dict[str, LayoutVideo]) -> MomentQuery:
    extras = unknown_fields(line.values, CAPTION_FIELDS)
    return MomentQuery(line.id("caption_id"), _known_video(line, videos), line.text(), (), split, line.number, extras)


def _known_video(line: _Line, videos: dict[str, LayoutVideo]) -> str:
    video_id = line.id("video_id")
    if video_id not in videos:
        raise line.wrong(f"video {video_id!r} is not in {VIDEOS}")
    return video_id
