"""Tables of the catalogue, its format version, and the numbered migrations between versions (docs/formats.md)."""

from __future__ import annotations

import os
import sqlite3

from coarse_to_fine.errors import LibraryError

FORMAT_VERSION = 1

TABLES = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE blocks (
    block_id INTEGER PRIMARY KEY,
    file TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    segment_rows INTEGER NOT NULL,
    clip_rows INTEGER NOT NULL
);
CREATE TABLE videos (
    video_id TEXT PRIMARY KEY,
    path NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    duration_s REAL NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    fps REAL NOT NULL,
    codec TEXT NOT NULL,
    rotation INTEGER NOT NULL,
    warnings TEXT NOT NULL,
    lost_s TEXT NOT NULL,
    added_at TEXT NOT NULL,
    segment_count INTEGER NOT NULL,
    clip_count INTEGER NOT NULL,
    block_id INTEGER NOT NULL REFERENCES blocks(block_id),
    first_segment_row INTEGER NOT NULL,
    first_clip_row INTEGER NOT NULL
);
CREATE INDEX videos_by_block ON videos (
    block_id, first_segment_row, segment_count, first_clip_row, clip_count, video_id
);
CREATE TABLE segments (
    video_id TEXT NOT NULL REFERENCES videos(video_id) ON DELETE CASCADE,
    segment INTEGER NOT NULL,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    first_clip INTEGER NOT NULL,
    clips INTEGER NOT NULL,
    PRIMARY KEY (video_id, segment)
) WITHOUT ROWID;
CREATE TABLE copies (
    path NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    video_id TEXT NOT NULL REFERENCES videos(video_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE failures (
    path NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
"""

MIGRATIONS: dict[int, str] = {}
"""SQL that leads from the version of its key to the next one."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables inside the open transaction."""
    for statement in TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)


def require_version(found: int, folder: str | os.PathLike[str]) -> None:
    """Raise unless this code reads the format.

    Raises:
        LibraryError: a newer version, or an older one without a migration.
    """
    if found > FORMAT_VERSION or not all(version in MIGRATIONS for version in range(found, FORMAT_VERSION)):
        raise LibraryError(
            f"{os.fspath(folder)} has library format {found}; expected {FORMAT_VERSION}; "
            f"{'update coarse-to-fine' if found > FORMAT_VERSION else 'index the videos again into a new library'}"
        )


def path_value(path: str) -> str | bytes:
    """A path as stored: text, or its bytes where the name is not valid Unicode."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def path_of(value: str | bytes) -> str:
    """Inverse of `path_value`."""
    return os.fsdecode(value) if isinstance(value, bytes) else value
