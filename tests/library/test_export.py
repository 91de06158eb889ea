"""Copies of a library that is written meanwhile, and exports that do not come to their end."""

from __future__ import annotations

import pytest

from coarse_to_fine import Library
from coarse_to_fine.errors import LibraryError
from coarse_to_fine.library import is_library, storing
from coarse_to_fine.writer_lock import WriterLock
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video


def once(monkeypatch, owner, name, meanwhile, *, after):
    """Somebody else does something just before or after the first call of a method."""
    method = getattr(owner, name)

    def call(*arguments):
        monkeypatch.setattr(owner, name, method)
        if not after:
            meanwhile()
        found = method(*arguments)
        if after:
            meanwhile()
        return found

    monkeypatch.setattr(owner, name, call)


def copied(how, source, path):
    """A copy of a library by `export` or by `merge`."""
    if how == "export":
        source.export(path)
    else:
        with Library.create(path, SmallEncoder()) as target:
            target.merge(source.path)
    with Library.open(path, SmallEncoder()) as copy:
        assert copy.check().problems == ()
        return content(copy)


@pytest.mark.parametrize("how", ["export", "merge"])
def test_blocks_replaced_meanwhile_are_read_again(filled, tmp_path, monkeypatch, how):
    filled.remove("v001")
    with Library.open(filled.path) as other:
        once(monkeypatch, storing.BlockStore, "block", other.compact, after=False)
        assert copied(how, filled, tmp_path / "copy") == content(filled)


@pytest.mark.parametrize("how", ["export", "merge"])
def test_copy_is_that_of_one_generation(filled, folder, tmp_path, monkeypatch, how):
    path = write_video(folder / "v900.mp4", seed=900)
    with Library.open(filled.path, SmallEncoder()) as other:
        once(monkeypatch, type(filled._catalogue), "placements", lambda: other.add(path), after=True)
        assert copied(how, filled, tmp_path / "copy") == content(filled)
    assert len(filled) == 6


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_export_leaves_no_library_and_can_be_done_again(filled, tmp_path, monkeypatch, problem):
    def fail(*_):
        raise problem

    with monkeypatch.context() as patched:
        patched.setattr(storing, "write_block", fail)
        with pytest.raises((LibraryError, KeyboardInterrupt)):
            filled.export(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    filled.export(tmp_path / "copy")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_leftover_of_a_killed_export_is_no_library_and_goes(filled, tmp_path):
    leftover = tmp_path / ".copy.export.tmp"
    with Library.create(leftover, SmallEncoder()) as half:
        half.add(write_video(tmp_path / "other.mp4", seed=900))
    assert not is_library(tmp_path / "copy")
    filled.export(tmp_path / "copy")
    assert not leftover.exists()
    with Library.open(tmp_path / "copy", SmallEncoder()) as copy:
        assert content(copy) == content(filled)
        assert sorted(path.name for path in (copy.path / "blocks").iterdir()) == [
            row.file for row in copy._catalogue.blocks()
        ]


def test_second_export_to_one_place_is_told_who_is_at_it(filled, tmp_path):
    hidden = tmp_path / ".copy.export.tmp"
    hidden.mkdir()
    with WriterLock(hidden / "writer.lock"), pytest.raises(LibraryError, match="is being written by process"):
        filled.export(tmp_path / "copy")


def test_export_takes_an_empty_folder_and_no_other(filled, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / ".hidden").touch()
    with pytest.raises(LibraryError, match="expected an absent or empty folder"):
        filled.export(folder)
    (folder / ".hidden").unlink()
    filled.export(folder)
    assert is_library(folder)
