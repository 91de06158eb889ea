"""What a library says about itself: stored videos and segments, and the reports of its operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from coarse_to_fine.features.sampling import Sampling


class FileNote(NamedTuple):
    """One line about a file."""

    path: str
    reason: str


class FrameBlock(NamedTuple):
    """The coarse frames of all live segments of one block.

    Attributes:
        segment_ids: V ids, made when asked for.
        frames: (V, F, D) float16, memory-mapped where no row of the block is dead.
    """

    segment_ids: Sequence[str]
    frames: Tensor


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """One video of a library.

    Attributes:
        video_id: unique; the wanted one or the stem of the file, where taken with `~` and the start of `sha256`.
        path: absolute path of the file when it was last seen.
        size, mtime_ns: of the file; equal values mean that it is not read again.
        sha256: of the file's content, hex.
        duration_s: end of the last frame.
        width, height: of the upright picture, pixels.
        fps: average frames a second.
        codec, rotation: as probed; rotation in degrees clockwise.
        warnings: one line for each thing to know, lost stretches included.
        lost_s: stretches (start, end) in seconds without pictures; their clips are zero vectors.
        added_at: UTC time, ISO 8601.
        segment_count, clip_count: rows of its coarse frames and clips.
    """

    video_id: str
    path: str
    size: int
    mtime_ns: int
    sha256: str
    duration_s: float
    width: int
    height: int
    fps: float
    codec: str
    rotation: int
    warnings: tuple[str, ...]
    lost_s: tuple[tuple[float, float], ...]
    added_at: str
    segment_count: int
    clip_count: int


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """One segment of a stored video; times in seconds from the first frame of the video."""

    segment_id: str
    video_id: str
    index: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class AddReport:
    """What `Library.add` did.

    Attributes:
        added: paths of videos that are now stored (new or redone).
        skipped: paths with nothing to do: unchanged, moved, or a copy of a stored video.
        failed: (path, reason) of files that failed in this run.
        warnings: (path, warning) of added videos, lost stretches included.
        notes: (path, reason) of skipped files that were not simply unchanged: moved, copies.
        failed_before: (path, reason) of unchanged files that failed in an earlier run and were not tried again.
    """

    added: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: tuple[FileNote, ...] = ()
    warnings: tuple[FileNote, ...] = ()
    notes: tuple[FileNote, ...] = ()
    failed_before: tuple[FileNote, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `Library.check` read.

    Attributes:
        videos, segments, blocks: numbers of rows and files.
        bytes_read: of block files.
        problems: one line for each thing that is wrong; none: the library is whole.
        missing_files: paths of stored videos whose file is not there.
    """

    videos: int
    segments: int
    blocks: int
    bytes_read: int
    problems: tuple[str, ...] = ()
    missing_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What `Library.compact` saved."""

    blocks_before: int
    blocks_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What `Library.merge` or `Library.export` copied.

    Attributes:
        added: ids of the videos that came in, as they are called here.
        skipped: (path, reason) of those that did not: their content or their file is here already.
    """

    added: tuple[str, ...]
    skipped: tuple[FileNote, ...] = ()


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """A library in numbers."""

    path: str
    format_version: int
    encoder: str
    encoder_fingerprint: str
    sampling: Sampling
    sampling_fingerprint: str
    embed_dim: int
    videos: int
    segments: int
    duration_s: float
    failures: tuple[FileNote, ...] = field(default=())
    copies: int = 0
    blocks: int = 0
    bytes: int = 0
    generation: int = 0
    created_at: str = ""
    created_by: str = ""
