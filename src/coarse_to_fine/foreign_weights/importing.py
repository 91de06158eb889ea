"""A checkpoint of others into a folder of ours, with a note of where it came from; nothing is downloaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from coarse_to_fine import __version__
from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.checkpoint_files import ForeignCheckpoint, read_checkpoint, require_checkpoint_file
from coarse_to_fine.coarse_grained.load import COARSE_MODELS
from coarse_to_fine.coarse_grained.t_mass.weights import import_release
from coarse_to_fine.config import load_config
from coarse_to_fine.encoders.check_values import write_check_values
from coarse_to_fine.encoders.clip_folder import architecture_of, config_beside, has_tokenizer, write_clip_folder
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.encoders.openai_names import has_openai_names, to_hugging_face
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.fine_grained.mesm import weights as mesm
from coarse_to_fine.fine_grained.qd_detr import weights as qd_detr
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.foreign_weights.published import licence_of
from coarse_to_fine.foreign_weights.recognise import KINDS, Kind, named_features, recognise
from coarse_to_fine.foreign_weights.settings import (
    SETTINGS,
    ImportSettings,
    MesmSettings,
    QdDetrSettings,
    TMassSettings,
    TowerSettings,
)
from coarse_to_fine.model_folders import WEIGHTS_FILE, read_document, save_model, stored_model_at

ENCODER_FOLDER = "encoder"
ORIGIN_FILE = "origin.json"
OWN_FILES = (WEIGHTS_FILE, "best.safetensors", "last.safetensors")
"""Weights of a stored model, and what a training run writes beside its model."""


@dataclass(frozen=True)
class ImportedWeights:
    """What an import wrote.

    Attributes:
        kind: the model.
        folder: for `--coarse`, `--fine` or, of a CLIP, `--encoder`.
        encoder: the folder of the towers that came with a T-MASS.
        features: clip features that a detector wants, such as `clip 512`.
        origin: what was written about the source.
    """

    kind: Kind
    folder: Path
    encoder: Path | None
    features: tuple[str, ...]
    origin: dict[str, Any]


def import_weights(
    file: str | Path,
    folder: str | Path,
    kind: Kind | None = None,
    overrides: Sequence[str] = (),
    tokenizer: str | Path | None = None,
    sha256: str | None = None,
) -> ImportedWeights:
    """Import a checkpoint; the folder appears whole or not at all.

    Args:
        file: a checkpoint of T-MASS, QD-DETR (official or Lighthouse), MESM, or CLIP weights by name.
        folder: new or empty.
        kind: what the file is taken for; None recognises it.
        overrides: `field=value` for what shapes do not tell; see `settings`.
        tokenizer: of CLIP towers; None takes the files beside the checkpoint, else OpenAI's vocabulary.
        sha256: of the file, where it is known; another one is an error.

    Raises:
        WeightsError: the file is missing, unsafe, of another model, or does not hold exactly that model's tensors.
        ConfigError: a field that the model does not have.
    """
    file, folder = Path(file), Path(folder)
    _require_new(folder)
    _refuse_own(file)
    require_checkpoint_file(file)
    digest = _checked_sha256(file, sha256)
    checkpoint = read_checkpoint(file)
    found = recognise(checkpoint, kind)
    settings = load_config(SETTINGS[found], overrides=overrides)
    origin = _origin(file, digest, checkpoint, found, settings)
    given = Path(tokenizer) if tokenizer is not None else None
    staging = folder.with_name(f".{folder.name}.importing")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        features = _write(checkpoint, settings, staging, given, file, origin)
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return ImportedWeights(found, folder, folder / ENCODER_FOLDER if found == "t-mass" else None, features, origin)


def _refuse_own(file: Path) -> None:
    """Raises WeightsError for a model of this package, its weights and the checkpoints of its training."""
    own = stored_model_at(file if file.is_dir() else file.parent)
    if own is not None and (file.is_dir() or file.name in OWN_FILES):
        model = read_document(own)["model"]
        raise WeightsError(
            f"{file} is of a {model} model of this package already; expected a checkpoint of others; use the model as "
            f"it is: {'--coarse' if model in COARSE_MODELS else '--fine'} {own}"
        )
    if file.is_dir() and (has_tokenizer(file) or config_beside(file) is not None):
        raise WeightsError(
            f"{file} is the folder of an encoder; expected a checkpoint file; use it as it is: --encoder {file}"
        )


def _checked_sha256(file: Path, expected: str | None) -> str:
    """SHA-256 of a file.

    Raises:
        WeightsError: it is not the expected one.
    """
    found = sha256_of(file)
    if expected is not None and found != expected.lower():
        raise WeightsError(f"{file}: expected sha256 {expected.lower()}, got {found}; download the file again")
    return found


def _write(
    checkpoint: ForeignCheckpoint,
    settings: ImportSettings,
    folder: Path,
    tokenizer: Path | None,
    file: Path,
    origin: dict[str, Any],
) -> tuple[str, ...]:
    """Write what the settings' kind asks for; returns the features that a detector wants."""
    if isinstance(settings, TMassSettings):
        _write_t_mass(checkpoint, settings, folder, tokenizer, file, origin)
    elif isinstance(settings, TowerSettings):
        _write_towers(checkpoint.state, settings, folder, tokenizer, file, origin)
    elif isinstance(settings, QdDetrSettings):
        detector = _with_features(
            qd_detr.import_checkpoint(checkpoint, settings.origin, settings.block_order), settings.features
        )
        save_model(detector, folder, origin=origin)
        widths = (*detector.config.video_feature_dims, detector.config.audio_feature_dim)
        return named_features(detector.config.feature_names, widths)
    elif isinstance(settings, MesmSettings):
        model = mesm.import_checkpoint(checkpoint, settings.official_mask, settings.max_clips).model
        save_model(model, folder, origin=origin)
        return named_features(model.config.feature_names, model.config.video_feature_dims)
    return ()


def _write_t_mass(
    checkpoint: ForeignCheckpoint,
    settings: TMassSettings,
    folder: Path,
    tokenizer: Path | None,
    file: Path,
    origin: dict[str, Any],
) -> None:
    """The head as our model, the towers beside it; the head names the towers whose features it wants."""
    released = import_release(checkpoint, **settings.model_dump(exclude=set(TowerSettings.model_fields)))
    temperature = {"logit_scale": checkpoint.state["clip.logit_scale"]}
    _write_towers({**released.encoder, **temperature}, settings, folder / ENCODER_FOLDER, tokenizer, file, origin)
    fingerprint = load_encoder(folder / ENCODER_FOLDER).fingerprint
    origin = {**origin, "encoder": ENCODER_FOLDER, "encoder_fingerprint": fingerprint}
    save_model(released.head, folder, origin=origin)


def _write_towers(
    state: dict[str, torch.Tensor],
    settings: TowerSettings,
    folder: Path,
    tokenizer: Path | None,
    file: Path,
    origin: dict[str, Any],
) -> None:
    if has_openai_names(state):
        state = to_hugging_face(state, str(file))
    given = settings.model_dump(include=set(TowerSettings.model_fields), exclude_unset=True)
    beside = file.parent if tokenizer is None and has_tokenizer(file.parent) else None
    config = (config_beside(file.parent) if not given else None) or architecture_of(state, **given)
    write_clip_folder(folder, state, config, tokenizer or beside, str(file))
    write_check_values(load_encoder(folder), folder)
    write_text_atomically(folder / ORIGIN_FILE, json.dumps(origin, indent=2) + "\n")


def _with_features(model: QdDetr, features: Literal["unit", "raw"]) -> QdDetr:
    if features == model.config.features:
        return model
    other = QdDetr(model.config.model_copy(update={"features": features}))
    other.load_state_dict(model.state_dict())
    return other.eval()


def _origin(
    file: Path, digest: str, checkpoint: ForeignCheckpoint, kind: Kind, settings: ImportSettings
) -> dict[str, Any]:
    trained_by = _trained_by(checkpoint, kind, settings)
    return {
        "imported": KINDS[kind],
        "source_file": file.name,
        "source_sha256": digest,
        "source_bytes": file.stat().st_size,
        "source_epoch": checkpoint.epoch,
        "trained_by": trained_by,
        "licence": licence_of(kind, trained_by),
        "settings": settings.model_dump(mode="json", exclude_unset=True),
        "imported_by": f"coarse-to-fine {__version__}",
    }


def _trained_by(checkpoint: ForeignCheckpoint, kind: Kind, settings: ImportSettings) -> str:
    if isinstance(settings, QdDetrSettings):
        told = {"namespace": "official", "easydict": "lighthouse"}.get(checkpoint.options_kind, "unknown")
        return settings.origin or told
    return "official" if kind in ("t-mass", "mesm") else "unknown"


def _require_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WeightsError(f"{folder} is there already and not empty; expected a new folder; give another --out")
