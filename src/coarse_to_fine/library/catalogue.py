"""The catalogue of a library: the connection, its transactions, and everything that is read from it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from coarse_to_fine.errors import LibraryError
from coarse_to_fine.library import schema
from coarse_to_fine.library.changes import SegmentWindow
from coarse_to_fine.library.connection import CATALOGUE, CatalogueConnection, connect_for_writing
from coarse_to_fine.library.records import FileNote, StoredSegment, StoredVideo
from coarse_to_fine.library.schema import path_of, path_value
from coarse_to_fine.wording import why

IDS_A_QUERY = 500
T = TypeVar("T")

VIDEO_COLUMNS = (
    "video_id, path, size, mtime_ns, sha256, duration_s, width, height, fps, codec, rotation, warnings, lost_s, "
    "added_at, segment_count, clip_count"
)


@dataclass(frozen=True, slots=True)
class BlockRow:
    """One block file as the catalogue knows it; rows are those of its tensors `frames` and `clips`."""

    block_id: int
    file: str
    sha256: str
    bytes: int
    segment_rows: int
    clip_rows: int


class Placement(NamedTuple):
    """Where the features of a video lie; a tuple, because a search in a large library makes one for every video."""

    video_id: str
    block_id: int
    first_segment_row: int
    segment_count: int
    first_clip_row: int
    clip_count: int


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """Where the features of a segment lie: a row of `frames`, a range of rows of `clips`."""

    segment: StoredSegment
    file: str
    frame_row: int
    first_clip_row: int
    clips: int


class Catalogue:
    """Owns one connection; safe to share between threads."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        """Open the catalogue; `writable` becomes False where its folder cannot be written.

        Raises:
            LibraryError: the catalogue is locked, damaged, or may not be read.
        """
        self.folder = folder
        self._lock = threading.RLock()
        self._closed = False
        try:
            self._connection = CatalogueConnection(folder, writable=writable)
        except sqlite3.Error as error:
            raise _unreadable(folder, error) from error
        self.writable = self._connection.writable

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._connection.close()

    def _require_open(self) -> None:
        if self._closed:
            raise LibraryError(f"{self.folder} was closed; expected an open library; open it again with Library.open")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; raises the generation by one on success.

        Raises:
            LibraryError: the disk is full or the folder cannot be written.
        """
        with self._lock:
            self._require_open()
            connection = self._connection.sqlite
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise LibraryError(
                    f"{self.folder} cannot be written ({why(error)}); expected free disk space and a folder that this "
                    "user may change; everything stored before is kept; make room or fix the permissions and run again"
                ) from error

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query.

        Raises:
            LibraryError: the catalogue is damaged or locked.
        """
        try:
            with self._lock:
                self._require_open()
                return self._connection.rows(sql, values)
        except sqlite3.Error as error:
            raise _unreadable(self.folder, error) from error

    def rows_for(self, sql: str, keys: Iterable[Any], convert: Callable[[Any], Any] = lambda row: row) -> list[Any]:
        """Rows of a query that ends in `IN` for any number of keys."""
        wanted, found = list(dict.fromkeys(keys)), []
        for start in range(0, len(wanted), IDS_A_QUERY):
            part = wanted[start : start + IDS_A_QUERY]
            found += [convert(row) for row in self.rows(f"{sql} ({', '.join('?' * len(part))})", part)]
        return found

    def meta(self) -> dict[str, str]:
        return dict(self.rows("SELECT key, value FROM meta"))

    def generation(self) -> int:
        return int(self.rows("SELECT value FROM meta WHERE key = 'generation'")[0][0])

    def unchanged(self, read: Callable[[], T]) -> T:
        """What several queries give with no commit between them."""
        while True:
            before = self.generation()
            found = read()
            if self.generation() == before:
                return found

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def videos(self) -> list[StoredVideo]:
        """All videos in the order of their ids."""
        return [_video(row) for row in self.rows(f"SELECT {VIDEO_COLUMNS} FROM videos ORDER BY video_id")]

    def video(self, video_id: str) -> StoredVideo | None:
        rows = self.rows(f"SELECT {VIDEO_COLUMNS} FROM videos WHERE video_id = ?", (video_id,))
        return _video(rows[0]) if rows else None

    def segments(self, video_id: str | None = None) -> list[StoredSegment]:
        """Segments of one video or of all, in the order of video id and time."""
        where, values = ("", ()) if video_id is None else (" WHERE video_id = ?", (video_id,))
        rows = self.rows(
            f"SELECT video_id, segment, start_s, end_s FROM segments{where} ORDER BY video_id, segment", values
        )
        return [_segment(row) for row in rows]

    def segment_places(self, segment_ids: Sequence[str]) -> dict[str, SegmentPlace]:
        """Where the features of segments lie; unknown ids are left out."""
        sql = (
            "SELECT s.video_id, s.segment, s.start_s, s.end_s, b.file, v.first_segment_row + s.segment, "
            "v.first_clip_row + s.first_clip, s.clips FROM segments s JOIN videos v USING (video_id) "
            "JOIN blocks b USING (block_id) WHERE s.video_id IN"
        )
        owners = [segment_id.rpartition("#")[0] for segment_id in segment_ids]
        places = self.rows_for(sql, owners, lambda row: SegmentPlace(_segment(row[:4]), *row[4:]))
        return {place.segment.segment_id: place for place in places}

    def blocks(self) -> list[BlockRow]:
        """All blocks, oldest first."""
        return [BlockRow(*row) for row in self.rows("SELECT * FROM blocks ORDER BY block_id")]

    def placements(self) -> list[Placement]:
        """Where the features of all videos lie, in the order of the rows in their blocks."""
        sql = (
            "SELECT video_id, block_id, first_segment_row, segment_count, first_clip_row, clip_count FROM videos "
            "ORDER BY block_id, first_segment_row"
        )
        return [Placement._make(row) for row in self.rows(sql)]

    def windows(self) -> dict[str, list[SegmentWindow]]:
        """Segments of every video in the order of time, as they are stored."""
        sql = "SELECT video_id, start_s, end_s, first_clip, clips FROM segments ORDER BY video_id, segment"
        found: dict[str, list[SegmentWindow]] = {}
        for video_id, *values in self.rows(sql):
            found.setdefault(video_id, []).append(SegmentWindow(*values))
        return found

    def failures(self) -> list[tuple[str, int, int, str]]:
        """(path, size, mtime_ns, reason) of each known failure, in the order of paths."""
        rows = self.rows("SELECT path, size, mtime_ns, reason FROM failures")
        return sorted((path_of(path), size, mtime_ns, reason) for path, size, mtime_ns, reason in rows)

    def failure_notes(self) -> tuple[FileNote, ...]:
        return tuple(FileNote(path, reason) for path, _, _, reason in self.failures())

    def copies(self) -> list[tuple[str, int, int, str]]:
        """(path, size, mtime_ns, video_id) of each further file with the content of a stored video."""
        rows = self.rows("SELECT path, size, mtime_ns, video_id FROM copies")
        return sorted((path_of(path), size, mtime_ns, video_id) for path, size, mtime_ns, video_id in rows)

    def ids_of_paths(self, paths: Sequence[str]) -> dict[str, str]:
        """video_id by path, for those that are stored."""
        rows = self.rows_for("SELECT path, video_id FROM videos WHERE path IN", map(path_value, paths))
        return {path_of(path): video_id for path, video_id in rows}


def is_library(folder: Path) -> bool:
    """Whether a folder holds a catalogue whose creation came to its end."""
    if not (folder / CATALOGUE).is_file():
        return False
    try:
        with closing(CatalogueConnection(folder, writable=False)) as connection:
            return bool(connection.rows("SELECT count(*) FROM sqlite_master WHERE name = 'meta'")[0][0])
    except sqlite3.Error:
        return True


def create_catalogue(folder: Path, meta: dict[str, str]) -> None:
    """Make an empty catalogue; a kill leaves either all of it or nothing that counts.

    Raises:
        LibraryError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = connect_for_writing(folder)
        try:
            connection.execute("BEGIN IMMEDIATE")
            schema.create_tables(connection)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
            connection.execute("COMMIT")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(
            f"{folder} cannot be made a library ({why(error)}); expected a folder that this user may write; "
            "choose another one or fix its permissions"
        ) from error


def _unreadable(folder: Path, error: sqlite3.Error) -> LibraryError:
    return LibraryError(
        f"{folder / CATALOGUE} cannot be read ({why(error)}); expected the whole catalogue of a library that no "
        "process keeps locked; try again, and run `ctf library check` on it if this comes back"
    )


def _video(row: Any) -> StoredVideo:
    values = dict(zip(VIDEO_COLUMNS.split(", "), row))
    values["path"] = path_of(values["path"])
    values["warnings"] = tuple(json.loads(values["warnings"]))
    values["lost_s"] = tuple((float(start), float(end)) for start, end in json.loads(values["lost_s"]))
    return StoredVideo(**values)


def _segment(row: Any) -> StoredSegment:
    video_id, index, start_s, end_s = row
    return StoredSegment(segment_id(video_id, index), video_id, index, start_s, end_s)


def segment_id(video_id: str, index: int) -> str:
    """`<video_id>#<index>`."""
    return f"{video_id}#{index}"
