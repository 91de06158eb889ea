"""Arrays by name from a folder of npz, npy or pt files, or from one HDF5 file; nothing is ever unpickled freely."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.published.arrays import Array
from coarse_to_fine.features.published.names import Name, id_of_stem, relative_paths
from coarse_to_fine.file_hashes import file_state
from coarse_to_fine.wording import why

Form = Literal["npz", "npy", "pt", "hdf5"]
SHOWN = 8


class FeatureFiles(Protocol):
    """Arrays that lie under names; picklable, so that each worker process opens its own files."""

    def names(self) -> list[str]:
        """Names without folders that are there, sorted."""
        ...

    def __contains__(self, name: Name) -> bool: ...

    def read(self, name: Name, key: str | None = None) -> tuple[Array, str]:
        """The array of a name as stored, and where it lies (for messages).

        Args:
            name: from `array_name`.
            key: which array of a file with several; None where there is only one. Read from npz and pt.

        Raises:
            DataError: absent, unreadable, unsafe, or without the key (the keys found are listed).
        """
        ...

    def state(self, name: Name) -> str:
        """Size and time of change of the file that holds the array of a name; "" where there is none."""
        ...


def open_files(form: Form, path: str | Path) -> FeatureFiles:
    """The files of a form: a folder, or the file itself for HDF5.

    Raises:
        DataError: there is no such folder or file.
    """
    path = Path(path)
    if form == "hdf5":
        if not path.is_file():
            raise DataError(f"{path} is no file; expected an HDF5 file; check the path")
        return Hdf5File(path)
    if not path.is_dir():
        raise DataError(f"{path} is no folder; expected a folder of .{form} files; check the path")
    return FolderFiles(path, form)


class FolderFiles:
    """One file a name in one folder; no name leads out of it."""

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder, self.form = folder, form
        self._suffix = f".{form}"

    def names(self) -> list[str]:
        return sorted(id_of_stem(path.name.removesuffix(self._suffix)) for path in self._files())

    def __contains__(self, name: Name) -> bool:
        return self._find(name) is not None

    def read(self, name: Name, key: str | None = None) -> tuple[Array, str]:
        path = self._find(name)
        if path is None:
            raise DataError(
                f"{self.folder} has no file {relative_paths(name, self._suffix)[0]!r}; expected one file an id; check "
                "the pattern of the names"
            )
        return read_file(path, self.form, key)

    def state(self, name: Name) -> str:
        path = self._find(name)
        return "" if path is None else file_state(path)

    def _files(self) -> Iterator[Path]:
        return (path for path in self.folder.iterdir() if path.name.endswith(self._suffix) and path.is_file())

    def _find(self, name: Name) -> Path | None:
        for relative in relative_paths(name, self._suffix):
            path = self.folder / relative
            try:
                if path.is_file():
                    return path
            except OSError:  # the encoded name is too long for the file system
                continue
        return None


class Hdf5File:
    """One data set a name in an HDF5 file.

    The file is opened on the first read of each process: a handle does not survive a fork, and none is sent to a
    spawned worker.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._process = -1

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_process": -1}

    def names(self) -> list[str]:
        found: list[str] = []
        h5py = _h5py()

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                found.append(name)

        self._open().visititems(note)
        return sorted(found)

    def __contains__(self, name: Name) -> bool:
        return self._dataset(name) is not None

    def read(self, name: Name, key: str | None = None) -> tuple[Array, str]:
        where = f"{self.path}[{'/'.join(name)!r}]"
        dataset = self._dataset(name)
        if dataset is None:
            shown = ", ".join(list(self._open())[:SHOWN])
            raise DataError(
                f"{self.path} has no data set {'/'.join(name)!r} (its keys begin with {shown}); expected one data set "
                "an id; check the pattern of the names"
            )
        if dataset.external or dataset.is_virtual:
            raise DataError(f"{where} keeps its values in other files; expected them inside; copy them into the file")
        try:
            return np.asarray(dataset[()]), where
        except OSError as error:
            raise DataError(
                f"{where} cannot be read ({why(error)}); expected an intact file; fetch it again"
            ) from error

    def state(self, name: Name) -> str:
        return file_state(self.path)

    def _dataset(self, name: Name) -> Any:
        h5py = _h5py()
        try:
            item = self._open().get("/".join(name))
        except (KeyError, ValueError, OSError):
            return None
        inside = isinstance(item, h5py.Dataset) and item.file.filename == self._file.filename  # no external link
        return item if inside else None

    def _open(self) -> Any:
        if self._process != os.getpid():
            try:
                self._file = _h5py().File(self.path, "r")
            except OSError as error:
                raise DataError(
                    f"{self.path} is no readable HDF5 file ({why(error)}); expected one; fetch it again"
                ) from error
            self._process = os.getpid()
        return self._file


def read_file(path: Path, form: Form, key: str | None = None) -> tuple[Array, str]:
    """One array of an npz, npy or pt file, and where it lies.

    Raises:
        DataError: unreadable, of objects, or without the key.
    """
    arrays = read_arrays(path, form)
    if len(arrays) == 1 and (key is None or None in arrays):
        name = next(iter(arrays))
        return arrays[name], str(path) if name is None else f"{path}[{name!r}]"
    if key not in arrays:
        wanted = f"the key {key!r}" if key else "one array, or the name of a key"
        raise DataError(
            f"{path} has the keys {', '.join(map(str, arrays)) or '(none)'}; expected {wanted}; name the key"
        )
    return arrays[key], f"{path}[{key!r}]"


def read_arrays(path: Path, form: Form) -> Mapping[str | None, Array]:
    """All arrays of an npz, npy or pt file by key; a bare array has the key None.

    Raises:
        DataError: unreadable, or something other than arrays.
    """
    try:
        if form == "pt":
            return _torch_arrays(path)
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {None: loaded}
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = why(error)[:200]
        raise DataError(
            f"{path} cannot be read as {form} ({reason}); expected plain arrays without pickled objects; fetch it "
            "again, or name another form"
        ) from error


def _torch_arrays(path: Path) -> Mapping[str | None, Array]:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, AttributeError) as error:
        raise ValueError(str(error).split("\n")[0]) from error
    if isinstance(value, torch.Tensor):
        return {None: _numpy(value)}
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__}, not a tensor or a dict of tensors")  # noqa: TRY004
    return {str(name): _numpy(item) for name, item in value.items() if isinstance(item, torch.Tensor)}


def _numpy(tensor: torch.Tensor) -> Array:
    tensor = tensor.detach()
    found: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return found


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            "HDF5 features need the package h5py, which is not installed; expected it; run "
            "`pip install 'coarse-to-fine[features]'`"
        ) from error
    return h5py
