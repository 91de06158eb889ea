"""Files of a training run, written so that the last good one is always intact.

A checkpoint is one safetensors file: tensors under `model/`, `optimizer/`; the rest as JSON in the header (`state`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from coarse_to_fine.atomic_files import replacing, write_text_atomically
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.tensor_files import unshared
from coarse_to_fine.wording import why

FORMAT_VERSION = 1


def write_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """A safetensors file with a JSON document in its header, written atomically."""
    header = {"format": "coarse-to-fine", "version": str(FORMAT_VERSION), "state": json.dumps(state)}
    with replacing(path) as temporary:
        save_file(unshared(tensors), temporary, metadata=header)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """A JSON file, written atomically."""
    write_text_atomically(path, json.dumps(document, indent=2, sort_keys=True) + "\n")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote.

    Raises:
        WeightsError: the file is missing, damaged or of a newer version.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; expected a checkpoint of this package, check the path")
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({why(error)}); restore or delete it") from None
    if int(header.get("version", FORMAT_VERSION)) > FORMAT_VERSION:
        raise WeightsError(
            f"{path}: format version {header['version']}, this package reads {FORMAT_VERSION}; update it"
        )
    return tensors, json.loads(header.get("state", "{}"))
