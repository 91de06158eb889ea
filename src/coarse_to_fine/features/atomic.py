"""Files that are either whole or absent: written under a temporary name, synced, renamed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

TEMPORARY_SUFFIX = ".tmp"
"""Ends the name of every file that is still being written; such a file may be deleted when no writer is at work."""

HASH_CHUNK = 1 << 20


def write_atomically(path: Path, content: bytes) -> None:
    """Put content in place of `path`; a kill or a failure leaves the old file or none, never a part.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        temporary.write_bytes(content)
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text_atomically(path: Path, text: str) -> None:
    """`write_atomically` for UTF-8 text."""
    write_atomically(path, text.encode("utf-8"))


def write_tensors_atomically(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[str, int]:
    """`write_atomically` for a safetensors file; returns sha256 (hex) and size of what was written."""
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()}, dict(metadata))
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest(), len(content)


def sync(path: Path) -> None:
    """Bring a file's content to the disk."""
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


def sha256_of(path: Path) -> str:
    """Hash of a file's content, hex; other threads run meanwhile."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
