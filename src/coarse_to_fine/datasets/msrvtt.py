"""MSR-VTT: the JSFUSION test list, a csv `key,vid_key,video_id,sentence`.

Source: Xu et al., CVPR 2016; the 1k-A split of Yu et al., ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator

from coarse_to_fine.datasets.rows import RawRow, RowError, require, sentence, unknown_fields
from coarse_to_fine.datasets.source import Source, csv_rows

FIELDS = ("key", "video_id", "sentence")


def rows(source: Source) -> Iterator[RawRow | RowError]:
    """One row per caption; durations are not in the file."""
    for line, row in csv_rows(source):
        try:
            require(row, FIELDS, line)
            text = sentence(row["sentence"], "sentence", line)
            yield RawRow(line, row["key"], row["video_id"], text, None, None, None, unknown_fields(row, FIELDS))
        except RowError as error:
            yield error
