"""What has to hold before a library is made or opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from coarse_to_fine import __version__
from coarse_to_fine.arguments import require_path
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.errors import FingerprintError, LibraryError
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.library.absolute import absolute
from coarse_to_fine.library.catalogue import is_library
from coarse_to_fine.library.connection import CATALOGUE
from coarse_to_fine.library.own_encoder import STORED_PRECISION, stored_name
from coarse_to_fine.library.scan import StrPath
from coarse_to_fine.library.schema import FORMAT_VERSION
from coarse_to_fine.tensor_files import require_utf8

LOCK = "writer.lock"


def folder_of(path: StrPath) -> Path:
    """The absolute folder of a library.

    Raises:
        UserError: it is no path, or no text.
    """
    require_path(path, "the library", "give the path of its folder as text or as a Path")
    folder = absolute(path)
    require_utf8(folder)
    return folder


def require_free(folder: Path) -> None:
    """Raise unless a library may be made in this folder.

    Raises:
        LibraryError: it holds a library or something else.
    """
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
