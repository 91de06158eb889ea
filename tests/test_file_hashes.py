"""The hash of a file is that of its content, and is computed again when the file changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from coarse_to_fine import file_hashes
from coarse_to_fine.file_hashes import CHUNK, remembered_sha256, sha256_of


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 17])
def test_the_hash_is_sha256_of_the_content(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == remembered_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_file_is_read_again_only_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reads = tmp_path / "a", []
    path.write_bytes(b"xx")
    monkeypatch.setattr(file_hashes, "sha256_of", lambda read: reads.append(read) or str(len(reads)))
    assert [remembered_sha256(path), remembered_sha256(path)] == ["1", "1"]
    os.utime(path, ns=(0, 1))
    assert remembered_sha256(path) == "2"
    path.write_bytes(b"xxx")
    os.utime(path, ns=(0, 1))
    assert remembered_sha256(path) == "3"
