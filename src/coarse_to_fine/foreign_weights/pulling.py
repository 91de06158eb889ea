"""Fetching an encoder from the model hub, by an explicit command only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coarse_to_fine.encoders.load import ALIASES, encoder_folder, hub_address, load_encoder
from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.foreign_weights.published import find

WEIGHTS_ENDINGS = (".safetensors", ".bin")


def pull_encoder(name: str, sha256: str | None = None) -> tuple[Path, list[dict[str, Any]]]:
    """Fetch an encoder into the hub's local cache and load it once; `HF_HUB_OFFLINE=1` forbids the network.

    Args:
        name: a short name such as `clip-vit-b-32`, or `owner/model` of the hub, either with `@REVISION`.
        sha256: of the file of weights, where it is known; another one is an error, and nothing is loaded.

    Returns:
        The folder, and name, size and SHA-256 of each file.

    Raises:
        UserError: a name that the hub does not serve; the message says where its weights come from.
        WeightsError: it could not be fetched, and the message says how to place the files by hand; or the weights are
            other ones.
    """
    if hub_address(name) is None:
        entry = find(name)
        next_step = "it comes with the package" if entry.bundled else f"get {entry.file} from {entry.where}"
        raise UserError(
            f"{name} is not on the model hub; expected one of {', '.join(ALIASES)} or OWNER/MODEL (either with "
            f"@REVISION); {next_step}: {entry.offline}"
        )
    folder = encoder_folder(name, allow_download=True)
    files: list[dict[str, Any]] = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]
    if sha256 is not None:
        _require_sha256(folder, sha256.lower(), {file["file"]: file["sha256"] for file in files})
    load_encoder(folder)
    return folder, files


def _require_sha256(folder: Path, expected: str, found: dict[str, str]) -> None:
    weights = {name: digest for name, digest in found.items() if Path(name).suffix in WEIGHTS_ENDINGS}
    if expected not in weights.values():
        got = ", ".join(f"{digest} ({name})" for name, digest in weights.items())
        raise WeightsError(
            f"{folder}: expected weights of sha256 {expected}, got {got}; pin the revision as NAME@REVISION, or remove "
            "the folder and pull again"
        )
