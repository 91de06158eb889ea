"""Tells whether a file is the one seen before: quickly by size and time of change, surely by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileState:
    """Size in bytes and time of the last change in nanoseconds; equal states are taken for an unchanged file."""

    size: int
    mtime_ns: int


def file_state(path: str | Path) -> FileState:
    """State of a file now.

    Raises:
        OSError: the file is not there.
    """
    status = Path(path).stat()
    return FileState(status.st_size, status.st_mtime_ns)


def content_hash(path: str | Path) -> str:
    """SHA-256 (hex) over all bytes of the file, read block by block; the name plays no part.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
