"""What has to hold before a library is made or opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from coarse_to_fine import __version__
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.precision import Precision
from coarse_to_fine.errors import FingerprintError, LibraryError, WeightsError
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.library.catalogue import is_library
from coarse_to_fine.library.connection import CATALOGUE
from coarse_to_fine.library.schema import FORMAT_VERSION
from coarse_to_fine.tensor_files import require_utf8

LOCK = "writer.lock"

STORED_PRECISION: Precision = "fp32"
"""Of libraries that were made before it was stored, and of encoders that state none."""


def require_free(folder: Path) -> None:
    """Raise unless a library may be made in this folder.

    Raises:
        LibraryError: it holds a library or something else.
        UserError: its path is no text.
    """
    require_utf8(folder)
    if is_library(folder):
        raise LibraryError(f"{folder} is a library already; expected a new folder; open it, or choose another one")
    if not folder.exists():
        return
    foreign = folder.is_dir() and [entry for entry in folder.iterdir() if not entry.name.startswith((".", CATALOGUE))]
    if not folder.is_dir() or foreign:
        raise LibraryError(f"{folder} holds something else; expected an absent or empty folder; choose another one")


def first_meta(tower: ImageTextEncoder, sampling: Sampling) -> dict[str, str]:
    """The table `meta` of a new library."""
    return {
        "format_version": str(FORMAT_VERSION),
        "encoder": stored_name(tower.name),
        "encoder_fingerprint": tower.fingerprint,
        "precision": str(getattr(tower, "precision", STORED_PRECISION)),
        "embed_dim": str(tower.embed_dim),
        "sampling": json.dumps(sampling.described()),
        "sampling_fingerprint": sampling.fingerprint,
        "generation": "0",
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "created_by": f"coarse-to-fine {__version__}",
    }


def stored_name(name: str) -> str:
    """The name of an encoder so that it means the same from everywhere: a folder by its absolute path."""
    from coarse_to_fine.encoders.load import BUNDLED

    folder = Path(name).expanduser()
    return str(folder.absolute()) if name not in BUNDLED and folder.is_dir() else name


def is_gone(encoder: str) -> bool:
    """Whether a stored name is that of a folder which is not there any more."""
    return Path(encoder).is_absolute() and not Path(encoder).is_dir()


def require_present(encoder: str, library: Path) -> None:
    """Raise if the folder of a library's encoder is gone.

    Raises:
        WeightsError: it is, with the way to say where it lies now.
    """
    if is_gone(encoder):
        raise WeightsError(
            f"{library} was made by the encoder in {encoder}, which is not there; expected its folder; put it back, or "
            f"say once where it is now: ctf index VIDEOS --library {library} --encoder NEW_PLACE"
        )


def require_same_features(own: Mapping[str, str], other: Mapping[str, str], other_path: Path) -> None:
    """Raise unless two libraries hold features made in the same way.

    Raises:
        FingerprintError: names what differs.
    """
    for key, name in (("encoder_fingerprint", "encoder"), ("sampling_fingerprint", "sampling")):
        if own[key] != other[key]:
            raise FingerprintError(
                f"{other_path} was made with {name} {other[name]} (fingerprint {other[key][:12]}), this library with "
                f"{own[name]} ({own[key][:12]}); expected the same; index its videos into this library instead"
            )


def require_same_precision(wanted: Precision | None, stored: Precision, folder: Path) -> None:
    """Raise unless a library holds features of the wanted precision; None takes any.

    Raises:
        FingerprintError: it does not.
    """
    if wanted not in (None, stored):
        raise FingerprintError(
            f"{folder} was made in precision {stored}, not {wanted}; expected the same, since features differ; leave "
            f"--precision out, or index the videos again: `ctf index VIDEOS --library NEW_FOLDER --precision {wanted}`"
        )


def load_tower(name: str, device: str, precision: Precision = STORED_PRECISION) -> ImageTextEncoder:
    """Load an encoder by name.

    Raises:
        WeightsError: it is not to be had on this machine.
    """
    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.encoders.load import load_encoder

    return load_encoder(name, resolve_device(device), precision=precision)
