"""Collects finished videos and stores them together: one block file, then one transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from coarse_to_fine.errors import LibraryError
from coarse_to_fine.features.store import to_stored
from coarse_to_fine.library import changes
from coarse_to_fine.library.blocks import BlockStore, WrittenBlock, write_block
from coarse_to_fine.library.catalogue import Catalogue
from coarse_to_fine.library.changes import FileState, SegmentWindow
from coarse_to_fine.library.records import StoredVideo
from coarse_to_fine.wording import counted

if TYPE_CHECKING:  # a search stores nothing and should not load a video library
    from coarse_to_fine.features.files import FilePictures
    from coarse_to_fine.features.pictures import VideoFeatures

VIDEOS_A_BLOCK = 16
SECONDS_A_BLOCK = 20.0
"""A block is written when this many videos wait, or when the first of them has waited this long."""


@dataclass(frozen=True, slots=True)
class FinishedVideo:
    """A video whose features are computed; an empty `video.video_id` is given when it is stored."""

    video: StoredVideo
    windows: tuple[SegmentWindow, ...]
    frames: Tensor
    clips: Tensor


class Storer:
    """Holds what is finished and not yet stored."""

    def __init__(self, folder: Path, catalogue: Catalogue, blocks: BlockStore) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._blocks = blocks
        self._finished: list[FinishedVideo] = []
        self._failures: list[tuple[FileState, str]] = []
        self._copies: list[tuple[FileState, str]] = []
        self._since = time.monotonic()

    def put_video(self, finished: FinishedVideo) -> None:
        """Take a finished video; stores the waiting ones when there are enough."""
        self._start_waiting()
        self._finished.append(finished)
        self._flush_if_due()

    def put_failure(self, file: FileState, reason: str) -> None:
        """Take a file that cannot be indexed as it is."""
        self._start_waiting()
        self._failures.append((file, reason))
        self._flush_if_due()

    def put_copy(self, file: FileState, video_id: str) -> None:
        """Take a file with the content of a stored video."""
        self._copies.append((file, video_id))

    def flush(self) -> None:
        """Store everything that waits.

        Raises:
            LibraryError: the disk is full or the folder cannot be written; what was stored before stays.
        """
        finished, failures, copies = self._finished, self._failures, self._copies
        self._finished, self._failures, self._copies = [], [], []
        if not (finished or failures or copies):
            return
        try:
            block = _write(self._folder, finished) if finished else None
        except OSError as error:
            stored = counted(self._catalogue.count("videos"), "stored video is", "stored videos are")
            raise LibraryError(
                f"{self._folder} cannot be written ({error.strerror or error}); expected free disk space and a folder "
                f"that this user may change; its {stored} kept; make room or fix the permissions and run again"
            ) from error
        with self._catalogue.transaction() as connection:
            for file, reason in failures:
                changes.put_failure(connection, file, reason)
            for file, video_id in copies:
                changes.put_copy(connection, file, video_id)
            emptied = _insert(connection, block, finished) if block else []
        self._blocks.delete(emptied)

    def _start_waiting(self) -> None:
        if not self._finished and not self._failures:
            self._since = time.monotonic()

    def _flush_if_due(self) -> None:
        waited = time.monotonic() - self._since
        if len(self._finished) + len(self._failures) >= VIDEOS_A_BLOCK or waited >= SECONDS_A_BLOCK:
            self.flush()


def finished_video(file: FileState, sha256: str, source: FilePictures, features: VideoFeatures) -> FinishedVideo:
    """What is stored of a video.

    Raises:
        DataError: an embedding is too large for float16.
    """
    probed, plan = source.video, source.plan
    warnings = [*probed.warnings, *map(str, source.lost)]
    if features.missing_clips:
        clips = counted(len(features.clips), "clip")
        warnings.append(f"no picture for {features.missing_clips} of {clips}; nothing matches there")
    video = StoredVideo(
        video_id="",
        path=file.path,
        size=file.size,
        mtime_ns=file.mtime_ns,
        sha256=sha256,
        duration_s=probed.duration_s,
        width=probed.width,
        height=probed.height,
        fps=probed.average_fps,
        codec=probed.codec,
        rotation=probed.rotation,
        warnings=tuple(dict.fromkeys(warnings)),
        lost_s=tuple((span.start_s, span.end_s) for span in source.lost),
        added_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        segment_count=len(plan.segments),
        clip_count=len(plan.clip_positions),
    )
    windows = tuple(
        SegmentWindow(part.start_s, part.end_s, part.clip_slice.start, part.clip_slice.stop - part.clip_slice.start)
        for part in plan.segments
    )
    return FinishedVideo(
        video, windows, to_stored(features.frames, torch.float16), to_stored(features.clips, torch.float16)
    )


def _write(folder: Path, finished: Sequence[FinishedVideo]) -> WrittenBlock:
    return write_block(folder, torch.cat([one.frames for one in finished]), torch.cat([one.clips for one in finished]))


def _insert(connection: sqlite3.Connection, block: WrittenBlock, finished: Sequence[FinishedVideo]) -> list[str]:
    """Make a block and its videos part of the library; returns files of blocks that became empty."""
    segment_rows = [0, *accumulate(len(one.frames) for one in finished)]
    clip_rows = [0, *accumulate(len(one.clips) for one in finished)]
    block_id = changes.insert_block(connection, block.file, block.sha256, block.bytes, segment_rows[-1], clip_rows[-1])
    for one, segment_row, clip_row in zip(finished, segment_rows, clip_rows):
        file = FileState(one.video.path, one.video.size, one.video.mtime_ns)
        owner = changes.owner_of_content(connection, one.video.sha256, one.video.path)
        if owner is not None:
            changes.put_copy(connection, file, owner)
            continue
        video_id = changes.take_video_id(connection, one.video.path, one.video.sha256, one.video.video_id)
        changes.forget_path(connection, one.video.path)
        changes.insert_video(
            connection, replace(one.video, video_id=video_id), one.windows, block_id, segment_row, clip_row
        )
    return changes.delete_empty_blocks(connection)
