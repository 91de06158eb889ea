"""One writer at a time: a lock file that the system itself lets go when its holder dies."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from coarse_to_fine.errors import LibraryError

GUARD_OFFSET = 1 << 30
"""Byte that is locked where the system locks ranges of bytes (Windows): far behind the text, which stays readable."""


class WriterLock:
    """Holds `path` for this process; the file says who holds it (JSON: pid, host, since, command).

    The lock is the system's (`flock`, on Windows a byte range), so a holder that was killed holds nothing: its file is
    left behind and taken over. Processes that it forked do not hold it either, so they cannot keep it after their
    parent. The file is emptied on release and never deleted, because deleting a locked file lets two writers in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __enter__(self) -> WriterLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LibraryError: another writer holds it, or the folder cannot be written.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LibraryError(
                f"{self.path.parent} cannot be written ({error.strerror}); expected a folder that this user may "
                "change; fix its permissions or choose another one"
            ) from error
        if not _try_lock(descriptor):
            holder = os.read(descriptor, 4096)
            os.close(descriptor)
            raise LibraryError(
                f"{self.path.parent} is being written by {_describe(holder)}; expected one writer at a time; "
                "wait until it ends, or stop it, and run again"
            )
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # a full disk: the lock is held all the same, only its holder is not named
            os.write(descriptor, json.dumps(_self_description()).encode("utf-8"))
        self._descriptor = descriptor
        _held.add(self)

    def release(self) -> None:
        """Let the lock go; once more does nothing."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self.abandon()

    def abandon(self) -> None:
        """Close the lock's file as it is: all that a forked process, which does not hold the lock, may do."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)


_held: set[WriterLock] = set()


def _abandon_all() -> None:
    for lock in tuple(_held):
        lock.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, GUARD_OFFSET, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _self_description() -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": Path(sys.argv[0]).name if sys.argv else "",
    }


def _describe(content: bytes) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
