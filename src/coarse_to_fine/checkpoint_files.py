"""Reads checkpoint files of others without running anything in them.

The releases pickle {model, optimizer, lr_scheduler, epoch, opt} (QD-DETR, MESM, Lighthouse) or {state_dict, optimizer,
epoch} (T-MASS); `opt` is an argparse Namespace or, in Lighthouse, an EasyDict. Only tensors and plain values are built;
every other object is refused before it is made.
"""

from __future__ import annotations

import argparse
import pickle
import tarfile
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from coarse_to_fine.errors import WeightsError


class _Options:
    """Stands for an EasyDict and makes an ordered dict, which may be filled, so that no code of its package runs.

    torch looks it up by these names. Pairs of an object and a name would do the same from torch 2.5 on.
    """

    __module__, __qualname__ = "easydict", "EasyDict"

    def __new__(cls) -> OrderedDict[str, Any]:  # type: ignore[misc]
        return OrderedDict()


_Options.__name__ = "EasyDict"
ALLOWED: list[Any] = [argparse.Namespace, _Options]
"""Beside tensors and plain values: options of a training run."""
_allowing = threading.Lock()

HOLDERS = ("model", "state_dict")
"""Entries under which the releases keep the tensors."""


@dataclass(frozen=True)
class ForeignCheckpoint:
    """A release's checkpoint.

    Attributes:
        state: the tensors by name.
        options: the options of the training run as plain values; empty if the file has none.
        options_kind: `namespace`, `easydict` or `none`.
        source: the file, for messages.
        epoch: of the training run, where the file says it.
    """

    state: dict[str, Tensor]
    options: dict[str, Any]
    options_kind: str
    source: str = "the checkpoint"
    epoch: int | None = None

    def __str__(self) -> str:
        return self.source


Source = str | Path | ForeignCheckpoint
"""A checkpoint file, or one that has been read already."""


def read_checkpoint(source: Source) -> ForeignCheckpoint:
    """Read a checkpoint: a file of `torch.save` as the releases write it, tensors by name alone, or safetensors.

    Args:
        source: the file; a checkpoint that has been read is returned as it is.

    Raises:
        WeightsError: the file is missing, not a checkpoint, or holds objects that would run code.
    """
    if isinstance(source, ForeignCheckpoint):
        return source
    path = Path(source)
    document = _restricted_load(path)
    if not isinstance(document, dict):
        raise _no_tensors(path)
    held = next((document[name] for name in HOLDERS if _is_state(document.get(name))), None)
    if held is None:
        if not _is_state(document):
            raise _no_tensors(path)
        return ForeignCheckpoint(dict(document), {}, "none", str(path))
    options, kind = _options(document.get("opt"))
    epoch = document.get("epoch")
    return ForeignCheckpoint(dict(held), options, kind, str(path), epoch if isinstance(epoch, int) else None)


def shape_of(state: Mapping[str, Tensor], name: str, expected: str) -> torch.Size:
    """Shape of a tensor that every `expected` (such as "a MESM") has.

    Raises:
        WeightsError: it is missing.
    """
    if name not in state:
        raise WeightsError(f"the checkpoint has no {name}, expected {expected}; choose a checkpoint of that model")
    return state[name].shape


def count_parts(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts (layers) have tensors whose names go on behind `prefix`."""
    return len({name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)})


def require_checkpoint_file(path: Path) -> None:
    """Raises WeightsError where there is no file, a folder, or a file that may not be read."""
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, expected a checkpoint file; name the file in it")
    if not path.is_file():
        raise WeightsError(f"no file {path}, expected a checkpoint; download it first and give its path")
    try:
        path.open("rb").close()
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror}); expected a checkpoint file; check its permissions"
        ) from None


def _restricted_load(path: Path) -> Any:
    require_checkpoint_file(path)
    if path.suffix != ".safetensors" and (begin := _foreign_beginning(path)) is not None:
        raise WeightsError(
            f"{path} is no checkpoint, it begins with {begin!r}; expected a file of torch.save or *.safetensors; "
            "choose another file"
        )
    if _is_program(path):
        raise WeightsError(
            f"{path} is a TorchScript archive, a program that is not run here; expected tensors by name; where you "
            "trust it, write them with torch.save(torch.jit.load(FILE, map_location='cpu').state_dict(), 'clip.pt')"
        )
    try:
        return load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is not safe to read: {_reason(error)}; expected tensors and plain values only, "
            "get the file from its publisher again or convert it to safetensors"
        ) from error
    except (
        SafetensorError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        AttributeError,
        TypeError,
        IndexError,
        OSError,
    ) as error:
        raise WeightsError(
            f"{path} cannot be read as a checkpoint ({_reason(error)}); expected a file of torch.save or safetensors, "
            "copy it again"
        ) from error


def _load_pickled(path: Path) -> Any:
    """With options allowed for the time of reading; the list of what is allowed belongs to the whole process."""
    with _allowing:
        before = torch.serialization.get_safe_globals()
        torch.serialization.add_safe_globals(ALLOWED)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an odd pickle is refused in one line
                return torch.load(path, map_location="cpu", weights_only=True)
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def _options(options: Any) -> tuple[dict[str, Any], str]:
    if isinstance(options, argparse.Namespace):
        return dict(vars(options)), "namespace"
    if isinstance(options, dict):
        return dict(options), "easydict" if isinstance(options, OrderedDict) else "none"
    return {}, "none"


def _foreign_beginning(path: Path) -> bytes | None:
    """The first bytes of a file that is neither a pickle, nor a zip, nor a tar archive, as torch.save writes them."""
    with path.open("rb") as file:
        begin = file.read(20)
    known = begin.startswith((b"\x80", b"PK")) or tarfile.is_tarfile(path)
    return None if known else begin


def _is_program(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False  # reading it says what is wrong


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _no_tensors(path: Path) -> WeightsError:
    return WeightsError(
        f"{path} holds no tensors by name, neither under {' nor '.join(map(repr, HOLDERS))}; expected a checkpoint of "
        "a release (tensors, optimizer, epoch, options), choose that file"
    )


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "GLOBAL" in line or line.startswith(("Unsupported", "Can only", "Trying to"))]
    return (named or lines or [type(error).__name__])[0][:300]
