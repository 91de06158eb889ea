"""MSR-VTT: the JSFUSION test list of pairs, the captions of all videos, and the lists of training videos.

Source: Xu et al., CVPR 2016; the 1k-A split of Yu et al., ECCV 2018. Durations are in none of the files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coarse_to_fine.datasets.rows import (
    RawRow,
    RowError,
    checked_object,
    identifier,
    read_each,
    require,
    sentence,
    unknown_fields,
)
from coarse_to_fine.datasets.source import Source, csv_rows, json_document, json_list, read_source
from coarse_to_fine.errors import DataError

PAIR_FIELDS = ("key", "video_id", "sentence")
CAPTION_FIELDS = ("caption", "video_id", "sen_id")
CAPTIONS = "MSRVTT_data.json"


def pairs(source: Source) -> Iterator[RawRow | RowError]:
    """One row per line of the csv `key,vid_key,video_id,sentence`."""
    return read_each(csv_rows(source), _pair)


def captions(source: Source) -> Iterator[RawRow | RowError]:
    """One row per entry of `sentences`, about 20 a video, of every split; ids are `<video>:<k>`."""
    document = checked_object(json_document(source), 1)
    require(document, ("sentences",), 1)
    seen: Counter[str] = Counter()
    for row in read_each(json_list(source, document["sentences"]), _caption):
        if isinstance(row, RawRow):
            row.query_id = f"{row.video_id}:{seen[row.video_id]}"
            seen[row.video_id] += 1
        yield row


def listed(source: Source) -> Iterator[RawRow | RowError]:
    """Every caption of the videos of a list (csv with the column `video_id`), from MSRVTT_data.json beside it.

    Raises:
        DataError: that file is missing or holds a row that cannot be read.
    """
    known = _captions_by_video(source.path.with_name(CAPTIONS))
    for item in csv_rows(source):
        if isinstance(item, RowError):
            yield item
            continue
        line, row = item
        found = known.get(row["video_id"], [])
        if not found:
            yield RowError("E03", line, f"no caption of {row['video_id']!r} in {CAPTIONS}; remove it from the list")
        for caption in found:
            caption.line = line
            yield caption


def _captions_by_video(path: Path) -> dict[str, list[RawRow]]:
    if not path.is_file():
        raise DataError(f"no file {path}; expected the captions of the listed videos; put {CAPTIONS} beside the list")
    found = defaultdict(list)
    try:
        for row in captions(read_source(path)):
            if isinstance(row, RowError):
                raise row
            found[row.video_id].append(row)
    except RowError as error:
        raise DataError(f"{path}: {error.refusal.code} row {error.refusal.line}: {error}") from None
    return found


def _pair(line: int, row: dict[str, Any]) -> RawRow:
    require(row, PAIR_FIELDS, line)
    text = sentence(row["sentence"], "sentence", line)
    return RawRow(line, row["key"], row["video_id"], text, None, None, None, {}, unknown_fields(row, PAIR_FIELDS))


def _caption(item: int, row: dict[str, Any]) -> RawRow:
    require(row, CAPTION_FIELDS, item)
    text = sentence(row["caption"], "caption", item)
    video_id = identifier(row["video_id"], "video_id", item)
    extras = {"sen_id": row["sen_id"]}
    return RawRow(item, "", video_id, text, None, None, None, extras, unknown_fields(row, CAPTION_FIELDS))
