"""Content hash and quick state of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from coarse_to_fine.video import content_hash, file_state
from coarse_to_fine.video.fingerprint import BLOCK


def test_the_hash_is_sha256_of_the_content(tmp_path: Path) -> None:
    content = os.urandom(2 * BLOCK + 17)
    (tmp_path / "a").write_bytes(content)
    assert content_hash(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_the_hash_does_not_depend_on_the_name(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv"):
        (tmp_path / name).write_bytes(b"same")
    assert content_hash(tmp_path / "a.mp4") == content_hash(tmp_path / "b.mkv")


def test_one_byte_changes_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1000)
    before = content_hash(path)
    path.write_bytes(b"x" * 999 + b"y")
    assert content_hash(path) != before


def test_the_state_changes_with_size_or_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"xx")
    before = file_state(path)
    assert file_state(path) == before
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns + 1_000_000))
    assert file_state(path) != before
