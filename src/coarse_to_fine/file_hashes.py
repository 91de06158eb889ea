"""Hashes of the content of files and of plain values: sha256 as hex."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
"""Bytes that are read at once."""


def sha256_of(path: Path) -> str:
    """Hash of a file's content; other threads run meanwhile.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()  # not hashlib.file_digest, which Python 3.10 does not have
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_values(values: Any) -> str:
    """Hash of the canonical JSON of plain values."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def file_state(path: Path) -> str:
    """Size and time of change in words, by which a file is taken for unchanged without being read.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    return f"size {status.st_size}, mtime_ns {status.st_mtime_ns}"


def remembered_sha256(path: Path) -> str:
    """`sha256_of`, computed once in a process while size and time of change of the file stay the same."""
    status = path.stat()
    return _sha256_of_state(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256_of_state(path: Path, size: int, modified_ns: int) -> str:
    return sha256_of(path)
