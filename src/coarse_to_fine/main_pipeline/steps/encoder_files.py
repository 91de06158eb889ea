"""Hashes of an encoder's files, without loading it."""

from __future__ import annotations

from coarse_to_fine.encoders.load import SMALL_FILES, encoder_folder
from coarse_to_fine.encoders.weights import weight_files
from coarse_to_fine.file_hashes import remembered_sha256


def encoder_hashes(name: str) -> dict[str, str]:
    """sha256 by file name.

    Raises:
        WeightsError: the encoder is unknown or not on this machine.
    """
    folder = encoder_folder(name)
    small = [folder / file for file in SMALL_FILES if (folder / file).is_file()]
    return {path.name: remembered_sha256(path) for path in (*small, *weight_files(folder))}
