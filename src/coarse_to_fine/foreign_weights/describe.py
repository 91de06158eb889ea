"""What a model folder or a checkpoint file holds, without changing it and without running anything in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from coarse_to_fine.checkpoint_files import read_checkpoint
from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.encoders.fingerprint import fingerprint_of, present
from coarse_to_fine.encoders.load import kind_of, load_encoder
from coarse_to_fine.encoders.open_clip import CONFIG as OPEN_CLIP_CONFIG
from coarse_to_fine.encoders.open_clip import WEIGHTS as OPEN_CLIP_WEIGHTS
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.weights import read_weights, weight_files
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.foreign_weights.importing import ORIGIN_FILE
from coarse_to_fine.foreign_weights.recognise import KINDS, features_of, recognise
from coarse_to_fine.model_folders import CONFIG_FILE, WEIGHTS_FILE, read_document

ENCODER_KINDS = {"clip": "CLIP", "siglip": "SigLIP", "open_clip": "OpenCLIP"}


def describe(path: str | Path) -> dict[str, Any]:
    """JSON values about a folder of weights or a checkpoint file.

    Raises:
        WeightsError: nothing there, nothing known, or unsafe to read.
    """
    path = Path(path)
    if path.is_dir():
        return _encoder_folder(path) if _is_encoder(path) else _model_folder(path)
    if not path.is_file():
        raise WeightsError(f"nothing at {path}; expected a folder of weights or a checkpoint file; check the path")
    return _file(path)


def _model_folder(folder: Path) -> dict[str, Any]:
    document = read_document(folder)
    weights = folder / WEIGHTS_FILE
    state = read_weights([weights])
    return {
        "path": str(folder),
        "holds": f"{document['model']} model of this package",
        "created_by": document.get("created_by"),
        "config": document.get("config", {}),
        "origin": document.get("origin", {}),
        "sha256": sha256_of(weights),
        "bytes": weights.stat().st_size,
        **_numbers(state),
    }


def _encoder_folder(folder: Path) -> dict[str, Any]:
    """Of towers of every kind; the fingerprint of the rule for pictures tells whether two encoders see the same."""
    encoder, kind = load_encoder(folder), kind_of(folder)
    files = present(folder, OPEN_CLIP_WEIGHTS)[:1] if kind == "open_clip" else weight_files(folder)
    config = read_json(folder / (OPEN_CLIP_CONFIG if kind == "open_clip" else CONFIG_FILE), "the architecture")
    rule = getattr(encoder, "preprocessing", None)
    pictures = rule.model_dump(mode="json") if isinstance(rule, Preprocessing) else {"transform": str(rule)}
    origin = folder / ORIGIN_FILE
    return {
        "path": str(folder),
        "holds": f"{ENCODER_KINDS[kind]} encoder",
        "fingerprint": encoder.fingerprint,
        "pictures": pictures,
        "pictures_fingerprint": fingerprint_of(pictures, []),
        "config": config,
        "origin": read_json(origin, "the origin") if origin.is_file() else {},
        "sha256": {file.name: sha256_of(file) for file in files},
        "bytes": sum(file.stat().st_size for file in files),
        **_numbers(read_weights(files)),
    }


def _file(path: Path) -> dict[str, Any]:
    checkpoint = read_checkpoint(path)
    kind = recognise(checkpoint)
    return {
        "path": str(path),
        "holds": f"{KINDS[kind]} checkpoint; import it with `ctf weights import`",
        "kind": kind,
        "features": list(features_of(checkpoint, kind)),
        "epoch": checkpoint.epoch,
        "options": {name: value if _is_plain(value) else str(value) for name, value in checkpoint.options.items()},
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        **_numbers(checkpoint.state),
    }


def _numbers(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        "tensors": len(state),
        "parameters": sum(value.numel() for value in state.values()),
        "dtypes": sorted({str(value.dtype).removeprefix("torch.") for value in state.values()}),
    }


def _is_encoder(folder: Path) -> bool:
    path = folder / CONFIG_FILE
    towers = path.is_file() and "vision_config" in read_json(path, "the architecture")
    return towers or (folder / OPEN_CLIP_CONFIG).is_file()


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
