"""Hashes of an encoder's files, without loading it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from coarse_to_fine.encoders.load import SMALL_FILES, encoder_folder
from coarse_to_fine.encoders.weights import weight_files
from coarse_to_fine.file_hashes import sha256_of


def encoder_hashes(name: str) -> dict[str, str]:
    """sha256 by file name.

    Raises:
        WeightsError: the encoder is unknown or not on this machine.
    """
    folder = encoder_folder(name)
    small = [folder / file for file in SMALL_FILES if (folder / file).is_file()]
    states = [(path, path.stat()) for path in (*small, *weight_files(folder))]
    return {path.name: _hash(path, state.st_size, state.st_mtime_ns) for path, state in states}


@cache
def _hash(path: Path, size: int, modified_ns: int) -> str:
    """Several steps ask for the same large files."""
    return sha256_of(path)
