"""The fingerprint of an encoder: over its rules and the content of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any


def fingerprint_of(rules: Mapping[str, Any], files: Iterable[Path]) -> str:
    """sha256 (hex) over the rules and the names and contents of the files; folders do not enter."""
    total = hashlib.sha256(json.dumps(rules, sort_keys=True).encode())
    for path in files:
        status = path.stat()
        total.update(path.name.encode() + bytes.fromhex(_file_hash(path, status.st_size, status.st_mtime_ns)))
    return total.hexdigest()


def present(folder: Path, names: Iterable[str]) -> list[Path]:
    """Those of the names that are files of the folder, in the same order."""
    return [folder / name for name in names if (folder / name).is_file()]


@cache
def _file_hash(path: Path, size: int, modified_ns: int) -> str:
    """sha256 of a file; size and time of change are part of the key of the cache."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
