"""Reads pickled checkpoints of the releases without running anything in them.

Both releases pickle {model, optimizer, lr_scheduler, epoch, opt}; `opt` is an argparse Namespace (QD-DETR, MESM) or an
EasyDict (Lighthouse). Only tensors and plain values are built; every other object is refused before it is made.
"""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coarse_to_fine.errors import WeightsError

ALLOWED: list[Any] = [argparse.Namespace, (OrderedDict, "easydict.EasyDict")]
"""Beside tensors and plain values: options, an EasyDict as an ordered dict, so that no code of its package runs."""


@dataclass(frozen=True)
class ForeignCheckpoint:
    """A release's checkpoint.

    Attributes:
        state: the tensors of `model`.
        options: the options of the training run as plain values; empty if the file has none.
        options_kind: `namespace`, `easydict` or `none`.
    """

    state: dict[str, Tensor]
    options: dict[str, Any]
    options_kind: str


def read_checkpoint(path: str | Path) -> ForeignCheckpoint:
    """Read a release's checkpoint file.

    Raises:
        WeightsError: the file is missing, not a checkpoint, or holds objects that would run code.
    """
    document = _restricted_load(Path(path))
    if isinstance(document, dict) and "model" not in document and _is_state(document):
        return ForeignCheckpoint(dict(document), {}, "none")
    if not isinstance(document, dict) or not _is_state(document.get("model")):
        raise WeightsError(
            f"{path} holds no tensors under 'model'; expected a checkpoint of the release "
            "(model, optimizer, lr_scheduler, epoch, opt), choose that file"
        )
    options = document.get("opt")
    if isinstance(options, argparse.Namespace):
        return ForeignCheckpoint(dict(document["model"]), dict(vars(options)), "namespace")
    if isinstance(options, dict):
        kind = "easydict" if isinstance(options, OrderedDict) else "none"
        return ForeignCheckpoint(dict(document["model"]), dict(options), kind)
    return ForeignCheckpoint(dict(document["model"]), {}, "none")


def _restricted_load(path: Path) -> Any:
    if not path.is_file():
        raise WeightsError(f"no file {path}, expected a checkpoint; download it first and give its path")
    before = torch.serialization.get_safe_globals()
    try:
        torch.serialization.add_safe_globals(ALLOWED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd pickle is refused below, in one line
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is not safe to read: {_reason(error)}; expected tensors and plain values only, "
            "get the file from its publisher again or convert it to safetensors"
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError, AttributeError, TypeError, IndexError, OSError) as error:
        raise WeightsError(
            f"{path} cannot be read as a checkpoint ({_reason(error)}); expected a file of torch.save, copy it again"
        ) from error
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "GLOBAL" in line or line.startswith(("Unsupported", "Can only", "Trying to"))]
    return (named or lines or [type(error).__name__])[0][:300]
