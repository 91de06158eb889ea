"""Connections to the catalogue's file, also where this user can make no files beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

CATALOGUE = "catalogue.sqlite"
BUSY_SECONDS = 30.0

CANNOT_OPEN, READ_ONLY, FULL = 14, 8, 13
NO_SHARED_MEMORY = frozenset({10 | 18 << 8, 10 | 19 << 8, 10 | 21 << 8})
"""SQLite's IOERR_SHMOPEN, IOERR_SHMSIZE and IOERR_SHMMAP."""

State = tuple[tuple[int, int] | None, ...]
"""Size and time of change of the catalogue and of its `-wal`; None: absent."""


class CatalogueConnection:
    """One connection to a catalogue.

    WAL mode keeps two files beside the catalogue. Where this user cannot make them, the catalogue is taken as it is,
    and opened again when its owner has written it.

    Attributes:
        writable: becomes False where nothing can be made beside the catalogue.
        sqlite: the connection itself, for transactions; of a connection for reading it changes.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        """Open.

        Raises:
            sqlite3.Error: the catalogue is locked, damaged, or may not be read.
        """
        self._path = folder / CATALOGUE
        self.writable = writable
        self._taken: State | None = None
        if writable:
            try:
                self.sqlite = connect_for_writing(folder)
                return
            except sqlite3.OperationalError as error:
                if not _lacks_files_beside(error):
                    raise
                self.writable = False
        self._open_for_reading()

    def close(self) -> None:
        self.sqlite.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query.

        Raises:
            sqlite3.Error: the catalogue is locked or damaged.
        """
        while True:
            if not self._is_current():
                self.close()
                self._open_for_reading()
            try:
                found = self.sqlite.execute(sql, values).fetchall()
            except sqlite3.DatabaseError:
                if self._is_current():
                    raise
                continue
            if self._is_current():
                return found

    def _is_current(self) -> bool:
        """False where the catalogue was taken as it was and has been written since."""
        return self._taken is None or self._taken == _state(self._path)

    def _open_for_reading(self) -> None:
        address = "file:" + quote(str(self._path.absolute()).encode("utf-8", "surrogateescape")) + "?mode=ro"
        state = _state(self._path)
        try:
            self.sqlite, self._taken = _open_for_reading(address), None
        except sqlite3.OperationalError as error:
            if not _lacks_files_beside(error):
                raise
            self.sqlite, self._taken = _open_as_it_is(address, self._path), state


def connect_for_writing(folder: Path) -> sqlite3.Connection:
    """A connection that makes the file where there is none.

    Raises:
        sqlite3.Error: it is locked or cannot be written.
    """
    connection = _open(str(folder / CATALOGUE))
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _open_as_it_is(address: str, path: Path) -> sqlite3.Connection:
    """Without files beside the catalogue; a `-wal` that lost its `-shm` is read through where the system can do it."""
    unfinished, _ = _size_and_time(_wal(path)) or (0, 0)
    if unfinished and os.name != "nt":
        return _open_for_reading(address + "&vfs=unix-none", "PRAGMA locking_mode = EXCLUSIVE")
    return _open_for_reading(address + "&immutable=1")


def _open_for_reading(address: str, *settings: str) -> sqlite3.Connection:
    connection = _open(address)
    try:
        for sql in (*settings, "SELECT count(*) FROM sqlite_master"):
            connection.execute(sql).fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _open(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )


def _lacks_files_beside(error: sqlite3.OperationalError) -> bool:
    """Whether the files of WAL mode cannot be made, and not that somebody holds the catalogue."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python 3.10 tells no codes
        return any(part in str(error) for part in ("unable to open", "readonly", "full"))
    return code & 0xFF in (CANNOT_OPEN, READ_ONLY, FULL) or code in NO_SHARED_MEMORY


def _state(path: Path) -> State:
    return tuple(_size_and_time(file) for file in (path, _wal(path)))


def _size_and_time(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
