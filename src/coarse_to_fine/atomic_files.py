"""Files that are either whole or absent: written under a temporary name beside their own, synced, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coarse_to_fine.tensor_files import unshared

if TYPE_CHECKING:
    from torch import Tensor

TEMPORARY_PREFIX = ".unfinished-"
TEMPORARY_SUFFIX = ".tmp"
"""Begin and end of the name of every file that is still being written."""

LONGEST_PAUSE_S = 24 * 3600.0
"""A temporary file that nobody has written to for so long is what a killed writer left."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new empty file beside `path`, whose folder is made where absent; then it is synced and takes its place.

    It has the permissions of any new file, also where the writer puts one of its own in the place of the empty one.
    After a kill or an error the old content is there, or the new one, never a part. Every writer has a file of its own,
    so that of several the last one to end stays. What is no file, such as `/dev/stdout`, is written to in its place.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    _remove_abandoned(path.parent)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # the name that the caller knows
    try:
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        if stat.S_IMODE(temporary.stat().st_mode) != mode:  # safetensors makes files that the owner alone can read
            temporary.chmod(mode)
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Put content in place of `path`, as `replacing` does; its errors."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text_atomically(path: Path, text: str) -> None:
    """`write_atomically` for UTF-8 text."""
    write_atomically(path, text.encode("utf-8"))


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """`write_atomically` for JSON lines."""
    write_text_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_tensors_atomically(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[str, int]:
    """`write_atomically` for a safetensors file; returns sha256 (hex) and size of what was written."""
    from safetensors.torch import save

    content = save(unshared(tensors), dict(metadata))
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest(), len(content)


def remove_leftovers(folder: Path, unchanged_s: float | None = None) -> None:
    """Delete the temporary files that killed writers left in a folder.

    Args:
        folder: need not be there.
        unchanged_s: only files that nobody has written to for so long; None deletes all, for who knows that no other
            writer is at work.
    """
    for path in folder.glob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):  # gone already, or of another user
            if unchanged_s is None or time.time() - path.stat().st_mtime > unchanged_s:
                path.unlink()


@cache
def _remove_abandoned(folder: Path) -> None:
    """Once a process and folder: a look at all of its names before each of many files would cost more than the file."""
    remove_leftovers(folder, LONGEST_PAUSE_S)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system knows such a thing."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
