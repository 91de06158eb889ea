"""The changes that a transaction makes to a catalogue."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from coarse_to_fine.library.records import StoredVideo
from coarse_to_fine.library.schema import path_value

SHORT_HASHES = (8, 16, 64)
"""Lengths of the part of the content hash that makes an id unique, tried in this order."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as the file system shows it."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SegmentWindow:
    """A segment of a video that is being stored; clips count from the first of the video."""

    start_s: float
    end_s: float
    first_clip: int
    clips: int


def insert_block(
    connection: sqlite3.Connection, file: str, sha256: str, size: int, segment_rows: int, clip_rows: int
) -> int:
    """Make a block file part of the library; returns its id."""
    cursor = connection.execute(
        "INSERT INTO blocks (file, sha256, bytes, segment_rows, clip_rows) VALUES (?, ?, ?, ?, ?)",
        (file, sha256, size, segment_rows, clip_rows),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def insert_video(
    connection: sqlite3.Connection,
    video: StoredVideo,
    windows: Sequence[SegmentWindow],
    block_id: int,
    first_segment_row: int,
    first_clip_row: int,
) -> None:
    """Store a video with its segments."""
    values = (
        video.video_id,
        path_value(video.path),
        video.size,
        video.mtime_ns,
        video.sha256,
        video.duration_s,
        video.width,
        video.height,
        video.fps,
        video.codec,
        video.rotation,
        json.dumps(list(video.warnings), ensure_ascii=False),
        json.dumps([list(span) for span in video.lost_s]),
        video.added_at,
        video.segment_count,
        video.clip_count,
        block_id,
        first_segment_row,
        first_clip_row,
    )
    connection.execute(f"INSERT INTO videos VALUES ({', '.join('?' * len(values))})", values)
    connection.executemany(
        "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)",
        [
            (video.video_id, index, window.start_s, window.end_s, window.first_clip, window.clips)
            for index, window in enumerate(windows)
        ],
    )


def delete_videos(connection: sqlite3.Connection, video_ids: Collection[str]) -> list[str]:
    """Delete videos with their segments and notes of copies; returns the files of blocks that became empty."""
    connection.executemany("DELETE FROM videos WHERE video_id = ?", [(video_id,) for video_id in video_ids])
    return delete_empty_blocks(connection)


def delete_empty_blocks(connection: sqlite3.Connection) -> list[str]:
    """Forget blocks without videos; returns their files, which may be deleted after the commit."""
    empty = connection.execute(
        "SELECT block_id, file FROM blocks WHERE NOT EXISTS "
        "(SELECT 1 FROM videos WHERE videos.block_id = blocks.block_id)"
    ).fetchall()
    connection.executemany("DELETE FROM blocks WHERE block_id = ?", [(block_id,) for block_id, _ in empty])
    return [file for _, file in empty]


def move_video(connection: sqlite3.Connection, video_id: str, file: FileState) -> None:
    """The video's content is now found in another file, or in the same one with another time stamp."""
    forget_path(connection, file.path)
    connection.execute(
        "UPDATE videos SET path = ?, size = ?, mtime_ns = ? WHERE video_id = ?",
        (path_value(file.path), file.size, file.mtime_ns, video_id),
    )


def park_videos(connection: sqlite3.Connection, video_ids: Collection[str]) -> None:
    """Take the paths away from videos that are about to be moved or deleted, so that paths can change hands."""
    connection.executemany(
        "UPDATE videos SET path = ? WHERE video_id = ?", [(f"\0{video_id}", video_id) for video_id in video_ids]
    )


def put_copy(connection: sqlite3.Connection, file: FileState, video_id: str) -> None:
    """Remember a further file with the content of a stored video."""
    forget_path(connection, file.path)
    connection.execute(
        "INSERT INTO copies VALUES (?, ?, ?, ?)", (path_value(file.path), file.size, file.mtime_ns, video_id)
    )


def put_failure(connection: sqlite3.Connection, file: FileState, reason: str) -> None:
    """Remember that a file cannot be indexed as it is."""
    connection.execute(
        "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
        (path_value(file.path), file.size, file.mtime_ns, reason),
    )


def forget_path(connection: sqlite3.Connection, path: str) -> None:
    """Drop what is noted of a path beside its video: a failure, a copy."""
    connection.execute("DELETE FROM failures WHERE path = ?", (path_value(path),))
    connection.execute("DELETE FROM copies WHERE path = ?", (path_value(path),))


def owner_of_content(connection: sqlite3.Connection, sha256: str, path: str) -> str | None:
    """The video with this content that was found in another file than `path`."""
    row = connection.execute(
        "SELECT video_id FROM videos WHERE sha256 = ? AND path IS NOT ?", (sha256, path_value(path))
    ).fetchone()
    return str(row[0]) if row else None


def take_video_id(connection: sqlite3.Connection, path: str, sha256: str, wanted: str = "") -> str:
    """Id for a video that is about to be stored: the one it replaces in this file, or a new one.

    A new id is the wanted one or the stem of the file, with the start of its content hash where another video has it.
    """
    row = connection.execute("SELECT video_id FROM videos WHERE path = ?", (path_value(path),)).fetchone()
    if row:
        connection.execute("DELETE FROM videos WHERE video_id = ?", row)
        return str(row[0])
    stem = wanted or PurePath(path).stem.encode("utf-8", "replace").decode("utf-8")
    candidates = [stem, *(f"{stem}~{sha256[:length]}" for length in SHORT_HASHES)]
    for candidate in candidates:
        if not connection.execute("SELECT 1 FROM videos WHERE video_id = ?", (candidate,)).fetchone():
            return candidate
    return f"{candidates[-1]}~{sha256}"


def place_videos(connection: sqlite3.Connection, block_id: int, places: Sequence[tuple[str, int, int]]) -> None:
    """The features of videos now lie in another block: (video_id, first segment row, first clip row)."""
    connection.executemany(
        "UPDATE videos SET block_id = ?, first_segment_row = ?, first_clip_row = ? WHERE video_id = ?",
        [(block_id, segment_row, clip_row, video_id) for video_id, segment_row, clip_row in places],
    )
