"""Fetching an encoder from the model hub, by an explicit command only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coarse_to_fine.encoders.load import ALIASES, encoder_folder, hub_address, load_encoder
from coarse_to_fine.errors import UserError
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.foreign_weights.published import find


def pull_encoder(name: str) -> tuple[Path, list[dict[str, Any]]]:
    """Fetch an encoder into the hub's local cache and load it once; `HF_HUB_OFFLINE=1` forbids the network.

    Args:
        name: a short name such as `clip-vit-b-32`, or `owner/model` of the hub, either with `@REVISION`.

    Returns:
        The folder, and name, size and SHA-256 of each file.

    Raises:
        UserError: a name that the hub does not serve; the message says where its weights come from.
        WeightsError: it could not be fetched; the message says how to place the files by hand.
    """
    if hub_address(name) is None:
        entry = find(name)
        next_step = "it comes with the package" if entry.bundled else f"get {entry.file} from {entry.where}"
        raise UserError(
            f"{name} is not on the model hub; expected one of {', '.join(ALIASES)} or OWNER/MODEL (either with "
            f"@REVISION); {next_step}: {entry.offline}"
        )
    folder = encoder_folder(name, allow_download=True)
    load_encoder(folder)
    files = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]
    return folder, files
