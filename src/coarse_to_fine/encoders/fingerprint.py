"""The fingerprint of an encoder: over its rules and the content of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coarse_to_fine.file_hashes import remembered_sha256


def fingerprint_of(rules: Mapping[str, Any], files: Iterable[Path]) -> str:
    """sha256 (hex) over the rules and the names and contents of the files; folders do not enter."""
    total = hashlib.sha256(json.dumps(rules, sort_keys=True).encode())
    for path in files:
        total.update(path.name.encode() + bytes.fromhex(remembered_sha256(path)))
    return total.hexdigest()


def present(folder: Path, names: Iterable[str]) -> list[Path]:
    """Those of the names that are files of the folder, in the same order."""
    return [folder / name for name in names if (folder / name).is_file()]
