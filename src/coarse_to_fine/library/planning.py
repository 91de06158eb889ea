"""Decides what is to be done with each found file, before anything is decoded.

A file whose size and time of change are known is left alone. Contents are hashed here only where they can be those of
a stored video or of another found file, that is, where the size is the same; all others are hashed while they are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.library import changes
from coarse_to_fine.library.catalogue import Catalogue
from coarse_to_fine.library.changes import FileState
from coarse_to_fine.library.records import FileNote
from coarse_to_fine.library.scan import file_state


@dataclass(frozen=True, slots=True)
class Work:
    """A file to decode; `sha256` where the content was hashed already."""

    file: FileState
    sha256: str | None = None


@dataclass(slots=True)
class Plan:
    """What `settle` found.

    Attributes:
        work: files to decode, in the order in which they are to be stored.
        twins: files with the content of one in `work`, and the path of that one.
        skipped, notes, failed, failed_before: as in `AddReport`.
        ids: wanted ids of new videos by path.
    """

    work: list[Work] = field(default_factory=list)
    twins: list[tuple[FileState, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[FileNote] = field(default_factory=list)
    failed: list[FileNote] = field(default_factory=list)
    failed_before: list[FileNote] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Owner:
    """A stored video: the file that held its content when it was last seen; None: that path now holds another one."""

    video_id: str
    sha256: str
    file: FileState | None
    last_path: str


def settle(
    catalogue: Catalogue, files: Sequence[FileState], retry_failed: bool, workers: int
) -> tuple[Plan, list[str]]:
    """Sort the found files; moves and copies go to the catalogue at once, in one transaction.

    Returns:
        The plan, and block files that the catalogue no longer names.
    """
    settling = _Settling(catalogue, retry_failed)
    fresh = [file for file in files if not settling.is_known(file)]
    for file, sha256 in settling.hash_doubtful(fresh, workers):
        settling.place(file, sha256)
    return settling.plan, settling.commit()


class _Settling:
    """State while the found files are sorted."""

    def __init__(self, catalogue: Catalogue, retry_failed: bool) -> None:
        self.plan = Plan()
        self._catalogue = catalogue
        self._retry_failed = retry_failed
        videos = catalogue.videos()
        self._sizes = {video.size for video in videos}
        owners = [
            _Owner(video.video_id, video.sha256, FileState(video.path, video.size, video.mtime_ns), video.path)
            for video in videos
        ]
        self._by_path = {owner.last_path: owner for owner in owners}
        self._by_content = {owner.sha256: owner for owner in owners}
        self._by_id = {owner.video_id: owner for owner in owners}
        self._failures = {path: (size, mtime_ns, reason) for path, size, mtime_ns, reason in catalogue.failures()}
        self._copies = {path: (size, mtime_ns, video_id) for path, size, mtime_ns, video_id in catalogue.copies()}
        self._claimed: dict[str, str] = {}
        self._displaced: dict[str, _Owner] = {}
        self._moves: dict[str, FileState] = {}
        self._new_copies: list[tuple[FileState, str]] = []

    def is_known(self, file: FileState) -> bool:
        """Whether nothing has changed since the file was last seen; noted in the plan if so."""
        owner = self._by_path.get(file.path)
        if owner is not None and owner.file == file:
            self.plan.skipped.append(file.path)
            return True
        state = (file.size, file.mtime_ns)
        copy = self._copies.get(file.path)
        if copy is not None and copy[:2] == state:
            self._place_copy(file, self._by_id[copy[2]])
            return True
        failure = self._failures.get(file.path)
        if failure is not None and failure[:2] == state and not self._retry_failed:
            self.plan.failed_before.append(FileNote(file.path, failure[2]))
            return True
        return False

    def hash_doubtful(self, fresh: Sequence[FileState], workers: int) -> Iterator[tuple[FileState, str | None]]:
        """Each file with its hash, where its content may be known already."""
        sizes = Counter(file.size for file in fresh)
        doubtful = [sizes[file.size] > 1 or file.size in self._sizes or file.path in self._by_path for file in fresh]
        pool = ThreadPoolExecutor(workers)
        try:
            hashes = [
                pool.submit(sha256_of, Path(file.path)) if doubt else None for file, doubt in zip(fresh, doubtful)
            ]
            for file, future in zip(fresh, hashes):
                try:
                    yield file, future.result() if future is not None else None
                except OSError as error:
                    self.plan.failed.append(FileNote(file.path, f"{error.strerror or error}; check its permissions"))
        finally:
            pool.shutdown(cancel_futures=True)  # a stop waits for the files that are being read, not for all

    def place(self, file: FileState, sha256: str | None) -> None:
        """Sort one file that is new or changed."""
        owner = self._by_content.get(sha256) if sha256 is not None else None
        if owner is not None:
            self._place_copy(file, owner)
        elif sha256 is not None and sha256 in self._claimed:
            self.plan.twins.append((file, self._claimed[sha256]))
        else:
            self.plan.work.append(Work(file, sha256))
            if sha256 is not None:
                self._claimed[sha256] = file.path

    def commit(self) -> list[str]:
        """Write moves and copies; returns block files that became empty."""
        if not (self._moves or self._new_copies or self._displaced):
            return []
        with self._catalogue.transaction() as connection:
            changes.park_videos(connection, [*self._displaced, *self._moves])
            for video_id, file in self._moves.items():
                changes.move_video(connection, video_id, file)
            for file, video_id in self._new_copies:
                changes.put_copy(connection, file, video_id)
            return changes.delete_videos(connection, list(self._displaced))

    def _place_copy(self, file: FileState, owner: _Owner) -> None:
        """A file with the content of a stored video: the same file, its new place, or a further copy."""
        self.plan.skipped.append(file.path)
        if owner.last_path == file.path and owner.file is not None:
            self._moves[owner.video_id] = owner.file = file
        elif _still_holds(owner):
            self._displace(file.path, owner)
            self.plan.notes.append(FileNote(file.path, f"same content as {owner.video_id!r}, kept once"))
            if self._copies.get(file.path) != (file.size, file.mtime_ns, owner.video_id):
                self._new_copies.append((file, owner.video_id))
        else:
            self._displace(file.path, owner)
            self.plan.notes.append(FileNote(file.path, f"moved from {owner.last_path}"))
            self._displaced.pop(owner.video_id, None)
            self._move(owner, file)

    def _displace(self, path: str, owner: _Owner) -> None:
        """The path held another stored video, which is now nowhere until its content turns up."""
        before = self._by_path.get(path)
        if before is None or before is owner:
            return
        del self._by_path[path]
        self._moves.pop(before.video_id, None)
        copy = next((entry for entry in self._new_copies if entry[1] == before.video_id), None)
        if copy is None:
            before.file = None
            self._displaced[before.video_id] = before
        else:
            self._new_copies.remove(copy)
            self._move(before, copy[0])

    def _move(self, owner: _Owner, file: FileState) -> None:
        if self._by_path.get(owner.last_path) is owner:
            del self._by_path[owner.last_path]
        self._moves[owner.video_id] = owner.file = file
        owner.last_path = file.path
        self._by_path[file.path] = owner


def _still_holds(owner: _Owner) -> bool:
    """Whether the file of a stored video is there with the same content."""
    if owner.file is None:
        return False
    try:
        now = file_state(owner.file.path)
        return now == owner.file or (now.size == owner.file.size and sha256_of(Path(now.path)) == owner.sha256)
    except OSError:
        return False
