"""Clip features of published streams, checked, normalised and side by side.

Axes: L rows, D width of a stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.published.arrays import check_row_count, check_same_length, checked_rows
from coarse_to_fine.features.published.config import Normalisation, PublishedFeatures, Stream
from coarse_to_fine.features.published.files import FeatureFiles, open_files
from coarse_to_fine.features.published.names import Name, array_name


def normalised(rows: Float[Tensor, "L D"], rule: Normalisation) -> Float[Tensor, "L D"]:
    """Rows by a release's rule; a row of zeros stays one.

    Source: `unit-eps` is `l2_normalize_np_array` of Moment-DETR, `unit` is `torch.nn.functional.normalize` in MESM.
    """
    if rule == "raw":
        return rows
    norm: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)  # (L, 1)
    return rows / (norm + 1e-5) if rule == "unit-eps" else rows / norm.clamp(min=1e-12)


@dataclass(frozen=True, slots=True)
class VideoRows:
    """One video.

    Attributes:
        rows: (L, sum of D) the streams side by side.
        step_s: seconds from row to row.
        end_s: end of what the rows cover, at most the duration.
        notes: what was accepted, in the words of the counts (`more rows than the duration`, ...).
    """

    rows: Float[Tensor, "L D"]
    step_s: float
    end_s: float
    notes: tuple[str, ...] = ()


@dataclass
class PublishedVideos:
    """Reads videos by id; may be sent to worker processes.

    Attributes:
        config: the streams.
        widths: width of each stream, taken from the first video where it is not declared.
    """

    config: PublishedFeatures
    widths: dict[str, int] = field(default_factory=dict)
    _files: dict[str, FeatureFiles] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for stream in self.config.streams:
            self._files[stream.name] = open_files(stream.form, stream.path)
            if stream.width is not None:
                self.widths[stream.name] = stream.width

    def absent(self, video_ids: Iterable[str]) -> list[str]:
        """Those of the videos that some stream lacks, in their order."""
        return [
            video_id
            for video_id in video_ids
            if any(named(stream, video_id) not in self._files[stream.name] for stream in self.config.streams)
        ]

    def video_ids(self) -> list[str]:
        """Every video of the first stream, by what its pattern leaves of the names."""
        stream = self.config.streams[0]
        before, after = stream.pattern.split("{video_id}", 1)
        return [
            name.removeprefix(before).removesuffix(after)
            for name in self._files[stream.name].names()
            if name.startswith(before) and name.endswith(after)
        ]

    def source(self, video_id: str, duration_s: float | None) -> str:
        """What the rows of a video are made of; another text where any of it has changed."""
        streams = [
            f"{stream.name} {self._files[stream.name].state(named(stream, video_id))} key {stream.key}"
            for stream in self.config.streams
        ]
        return "; ".join([*streams, f"duration {duration_s}"])

    def read(self, video_id: str, duration_s: float | None) -> VideoRows:
        """The rows of a video.

        Args:
            video_id: its id.
            duration_s: as annotated; None where unknown, then nothing is compared with it.

        Raises:
            DataError: a stream lacks it, an array fails a check, or lengths do not fit; says which and both numbers.
        """
        streams, notes = {}, []
        for stream in self.config.streams:
            rows, where = self._stream(stream, video_id)
            if duration_s is not None and self.config.step_s is not None:
                difference = check_row_count(len(rows), duration_s, self.config.step_s, where)
                if difference:
                    notes.append("more rows than the duration" if difference > 0 else "fewer rows than the duration")
            streams[stream.name] = rows
        length = check_same_length({name: len(rows) for name, rows in streams.items()}, f"video {video_id!r}")
        if any(len(rows) != length for rows in streams.values()):
            notes.append("streams cut to the shortest")
        if self.config.max_rows is not None and length > self.config.max_rows:
            length = self.config.max_rows
            notes.append("rows past max_rows left out")
        joined = torch.cat([rows[:length] for rows in streams.values()], dim=1)
        return VideoRows(joined, *self._timing(length, duration_s), tuple(dict.fromkeys(notes)))

    def _stream(self, stream: Stream, video_id: str) -> tuple[Tensor, str]:
        array, where = self._files[stream.name].read(named(stream, video_id), stream.key)
        rows = checked_rows(array, where, self.widths.get(stream.name))
        self.widths.setdefault(stream.name, rows.shape[1])
        return normalised(rows, stream.normalise), where

    def _timing(self, rows: int, duration_s: float | None) -> tuple[float, float]:
        """Step and end; rows that are cut by `max_rows` do not reach the end of the video."""
        step_s = self.config.step_s
        if step_s is None:
            if duration_s is None:
                raise DataError(
                    "step_s is none and the duration of the video is unknown; expected one of both; give annotations "
                    "or step_s"
                )
            return duration_s / rows, duration_s
        if duration_s is None:
            return step_s, rows * step_s
        cut = rows == self.config.max_rows and rows < math.floor(duration_s / step_s)
        return step_s, rows * step_s if cut else duration_s


def named(stream: Stream, video_id: str) -> Name:
    """Name of a video's array in a stream."""
    return array_name(stream.pattern, video_id=video_id)
