"""A library that another user owns: read without the right to make a file in its folder, while its owner writes."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from coarse_to_fine import Library
from coarse_to_fine.errors import LibraryError
from coarse_to_fine.library import connection
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.test_sharing import posix, without_rights


@contextmanager
def as_reader(folder: Path):
    """Not the owner for a while, who alone may make files in the folder."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with without_rights():
            yield
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.fixture
def shared(filled):
    """A copy of a filled library where other users can reach it."""
    filled.close()
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    shutil.copytree(filled.path, top / "library")
    yield top / "library"
    shutil.rmtree(top)


def open_as_reader(path: Path) -> Library:
    with as_reader(path):
        return Library.open(path, SmallEncoder(), read_only=True)


@posix
def test_reader_sees_what_the_owner_writes_and_closes(shared):
    with open_as_reader(shared) as reader:
        for name in ("v001", "v003"):
            with as_reader(shared):
                before = reader.generation
            with Library.open(shared, SmallEncoder()) as owner:
                owner.remove(name)
                expected = content(owner)
            with as_reader(shared):
                assert content(reader) == expected
                assert reader.generation > before


@posix
def test_reader_sees_what_the_owner_writes_and_keeps_open(shared):
    with open_as_reader(shared) as reader, Library.open(shared, SmallEncoder()) as owner:
        owner.remove("v001")
        with as_reader(shared):
            assert content(reader) == content(owner)
            assert len(reader) == len(reader.videos()) == len(reader.segments()) == 4
            assert reader.generation == owner.generation


@posix
def test_commits_of_a_killed_owner_are_seen_without_its_shared_memory(shared, tmp_path):
    with Library.open(shared, SmallEncoder()) as owner:
        owner.remove("v001")
        expected = content(owner)
        shutil.copytree(shared, tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm"))
    shutil.rmtree(shared)
    shutil.copytree(tmp_path / "killed", shared)
    with as_reader(shared), Library.open(shared, SmallEncoder(), read_only=True) as reader:
        assert content(reader) == expected


@pytest.mark.parametrize("read_only", [True, False])
def test_locked_catalogue_is_not_read_past_its_lock(filled, monkeypatch, read_only):
    filled.close()
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(filled.path / "catalogue.sqlite", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(LibraryError, match=r"cannot be read .*locked.*; try again") as caught:
            Library.open(filled.path, read_only=read_only)
    finally:
        holder.close()
    assert "\n" not in str(caught.value)


def test_damaged_catalogue_is_said_in_one_line(filled):
    filled.close()
    (filled.path / "catalogue.sqlite").write_bytes(b"no catalogue at all" * 1000)
    with pytest.raises(LibraryError, match=r"cannot be read .*not a database") as caught:
        Library.open(filled.path)
    assert "\n" not in str(caught.value)
