"""Writes feature files as the releases store them, tiny."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch


class Videos(torch.utils.data.Dataset):
    """Sums of the rows of 24 videos `v0`, ..."""

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return 24

    def __getitem__(self, index):
        return self.source.read(f"v{index}", 2.0 * (index + 1)).rows.sum(dim=0)


def rows(seed: int, length: int, width: int, dtype="float32"):
    return np.random.default_rng(seed).normal(size=(length, width)).astype(dtype)


def write_npz(path: Path, **arrays) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def write_npy(path: Path, array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, array)
    return path


def write_pt(path: Path, value) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)
    return path


def write_hdf5(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def write_form(form: str, folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The same arrays in each form; npz under the key `features`."""
    if form == "hdf5":
        return write_hdf5(folder / "features.hdf5", arrays)
    for name, array in arrays.items():
        path = folder / f"{name}.{form}"
        if form == "npz":
            write_npz(path, features=array)
        elif form == "npy":
            write_npy(path, array)
        else:
            write_pt(path, torch.from_numpy(array))
    return folder
