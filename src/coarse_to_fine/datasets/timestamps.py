"""The JSON layout `{video: {timestamps, sentences, ...}}` of TACoS, Charades-CD, Charades-CG and ActivityNet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from coarse_to_fine.datasets.rows import (
    RawRow,
    RowError,
    number,
    parallel,
    require,
    sentence,
    shown,
    unknown_fields,
    windows,
)
from coarse_to_fine.datasets.source import Source, json_document

Timing = Callable[[dict[str, Any], int], tuple[float, float | None]]
"""timing(entry, item) -> (duration in seconds, frames a second of time stamps in frames or None for seconds)."""


def rows_by_video(
    source: Source,
    timing: Timing,
    known: tuple[str, ...],
    query_lists: tuple[str, ...] = (),
    video_name: Callable[[str], str] = str,
) -> Iterator[RawRow | RowError]:
    """One row per sentence, numbered by a running 0-based item; ids are `<video>_<k>` or `<video>:<k>` by `video_name`.

    Args:
        source: the file.
        timing: reads duration and frame rate of one entry.
        known: fields of an entry that are understood.
        query_lists: further fields that hold one value a sentence.
        video_name: from key to video id.
    """
    document = json_document(source)
    if not isinstance(document, dict):
        raise RowError("E02", 1, f"a JSON {type(document).__name__}; expected an object of videos")
    item = 0
    for key, entry in document.items():
        try:
            if not isinstance(entry, dict):
                raise RowError("E04", item, f"entry {shown(key)} is {type(entry).__name__}; expected an object")
            require(entry, ("timestamps", "sentences"), item)
            duration_s, fps = timing(entry, item)
            lists = {name: entry[name] for name in ("timestamps", "sentences", *query_lists) if name in entry}
            length = parallel(lists, item)
        except RowError as error:
            yield error
            item += 1
            continue
        video_id = video_name(key)
        unknown = unknown_fields(entry, (*known, *query_lists))
        for index in range(length):
            extras = {name: entry[name][index] for name in query_lists if name in entry}
            yield _row(entry, index, item, video_id, duration_s, fps, extras, unknown)
            item += 1


def seconds_timing(field: str) -> Timing:
    """Time stamps in seconds, duration in `field`."""

    def timing(entry: dict[str, Any], item: int) -> tuple[float, float | None]:
        require(entry, (field,), item)
        return number(entry[field], field, item), None

    return timing


def frames_timing(entry: dict[str, Any], item: int) -> tuple[float, float]:
    """Time stamps in frames: (num_frames / fps in seconds, fps)."""
    require(entry, ("fps", "num_frames"), item)
    fps = number(entry["fps"], "fps", item)
    if fps <= 0:
        raise RowError("E09", item, f"fps is {fps}; expected more than 0")
    return number(entry["num_frames"], "num_frames", item) / fps, fps


def _row(
    entry: dict[str, Any],
    index: int,
    item: int,
    video_id: str,
    duration_s: float,
    fps: float | None,
    extras: dict[str, Any],
    unknown: dict[str, Any],
) -> RawRow | RowError:
    try:
        text = sentence(entry["sentences"][index], "sentence", item)
        found = windows([entry["timestamps"][index]], "timestamps", item, fps or 1.0)
    except RowError as error:
        return error
    return RawRow(item, f"{video_id}:{index}", video_id, text, found, duration_s, fps, extras, unknown)
