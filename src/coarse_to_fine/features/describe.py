"""What a feature folder or a published feature file holds, for a person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.published.arrays import Array
from coarse_to_fine.features.published.files import Form, Hdf5File, read_arrays
from coarse_to_fine.features.store import MANIFEST, FeatureReader

PARTS = ("videos", "texts")
SHOWN = 20
FORMS: dict[str, Form] = {".npz": "npz", ".npy": "npy", ".pt": "pt", ".pth": "pt"}
HDF5_ENDINGS = (".hdf5", ".h5")


def feature_folders(path: Path) -> list[Path]:
    """The feature folders that a folder is or holds.

    Raises:
        DataError: it is none and holds none.
    """
    if (path / MANIFEST).is_file():
        return [path]
    found = [path / part for part in PARTS if (path / part / MANIFEST).is_file()]
    if not found:
        if not path.exists():
            raise DataError(f"nothing at {path}; expected a feature folder or a training set; check the path")
        raise DataError(
            f"{path} holds no {MANIFEST}, nor do its videos/ and texts/; expected a feature folder or a training set; "
            "check the path"
        )
    return found


def describe(path: Path) -> list[dict[str, Any]]:
    """One description a feature folder or file, JSON values.

    Raises:
        DataError: nothing that can be read.
    """
    if not path.exists():
        raise DataError(f"nothing at {path}; expected a feature folder or a file of features; check the path")
    if path.is_dir():
        return [_describe_folder(folder) for folder in feature_folders(path)]
    if path.suffix in HDF5_ENDINGS:
        return [_describe_hdf5(path)]
    form = FORMS.get(path.suffix)
    if form is None:
        known = ", ".join([*FORMS, *HDF5_ENDINGS])
        raise DataError(f"{path} ends in {path.suffix!r}; expected a folder or a file of {known}; check the path")
    arrays = read_arrays(path, form)
    return [{"file": str(path), "arrays": [describe_array(name, array) for name, array in arrays.items()]}]


def describe_array(name: str | None, array: Array) -> dict[str, Any]:
    """Key, shape, type and, for numbers, the mean length of a row and how many values are not finite."""
    about: dict[str, Any] = {"key": name, "shape": list(array.shape), "dtype": str(array.dtype)}
    if array.dtype.kind == "f" and array.size:
        values = array.astype(np.float64)
        about["mean_norm"] = round(float(np.linalg.norm(values, axis=-1).mean()), 4) if array.ndim else float(values)
        about["not_finite"] = int((~np.isfinite(values)).sum())
    return about


def _describe_folder(folder: Path) -> dict[str, Any]:
    reader = FeatureReader(folder)
    manifest = reader.manifest
    items = [reader.item(item_id) for item_id in reader]
    rows: Counter[str] = Counter()
    for item in items:
        for name, shape in item.shapes.items():
            rows[name] += shape[0] if len(shape) > 1 else 1
    return {
        "folder": str(folder),
        "kind": manifest.kind,
        "encoder": dict(manifest.encoder),
        "origin": "declared by the user" if manifest.encoder.get("declared") else "measured",
        "sampling": dict(manifest.sampling),
        "fingerprint": manifest.fingerprint,
        "complete": manifest.complete,
        "items": len(items),
        "rows": dict(rows),
        "shards": [{"file": file, "sha256": sha256, "bytes": size} for file, sha256, size in manifest.shards],
        "first_items": [item.item_id for item in items[:SHOWN]],
    }


def _describe_hdf5(path: Path) -> dict[str, Any]:
    source = Hdf5File(path)
    names = source.names()
    shown = [describe_array(name, source.read((name,))[0]) for name in names[:SHOWN]]
    return {"file": str(path), "keys": len(names), "arrays": shown}
