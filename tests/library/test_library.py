"""Opening, fingerprints, removing, compacting, checking."""

from __future__ import annotations

import shutil
import sqlite3
from importlib import resources
from pathlib import Path

import pytest
import torch

from coarse_to_fine import Library
from coarse_to_fine.errors import FingerprintError, LibraryError, UserError, WeightsError
from coarse_to_fine.library import Sampling, is_library
from coarse_to_fine.library.blocks import SegmentIds
from coarse_to_fine.library.catalogue import Placement
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video


def damage(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(content)


def test_reopened_library_is_the_same(filled):
    before = content(filled)
    filled.close()
    with Library.open(filled.path) as again:
        assert content(again) == before
        assert again.encoder_name == "small-0"
        assert again.info().videos == 5
        assert again.info().duration_s == sum(video.duration_s for video in again.videos())


def test_segment_features_come_in_the_order_asked_for(filled):
    ids = ["v003#0", "v000#0", "v003#0"]
    assert [one.segment_id for one in filled.segment_features(ids)] == ids
    assert filled.segment_features([]) == []
    with pytest.raises(UserError, match="no segment 'v003#1'"):
        filled.segment_features(["v003#1"])


def test_frames_matrix_is_mapped_and_names_its_rows(filled):
    ((ids, frames),) = filled.frames_matrix()
    assert frames.shape == (5, 12, 16)
    assert frames.dtype == torch.float16
    assert list(ids) == [f"v00{number}#0" for number in range(5)]
    assert (ids[-1], ids[1:3]) == ("v004#0", ["v001#0", "v002#0"])
    with pytest.raises(IndexError):
        ids[5]


def test_ids_of_a_block_in_turn_are_those_asked_for_one_by_one():
    ids = SegmentIds([Placement("a", 1, 0, 3, 0, 9), Placement("b", 1, 3, 1, 9, 2), Placement("c", 1, 4, 2, 11, 5)])
    assert list(ids) == ["a#0", "a#1", "a#2", "b#0", "c#0", "c#1"] == [ids[row] for row in range(len(ids))]


def test_frames_matrix_leaves_dead_rows_out(filled):
    filled.remove(["v001", "v003"])
    ((ids, frames),) = filled.frames_matrix()
    assert list(ids) == ["v000#0", "v002#0", "v004#0"]
    for segment_id, row in zip(ids, frames):
        assert torch.equal(filled.segment_features([segment_id])[0].frames, row.float())


def test_another_encoder_is_refused_with_the_command_that_indexes_again(filled, folder):
    filled.close()
    with pytest.raises(FingerprintError, match=r"small-1.*`ctf index VIDEOS --library NEW_FOLDER --encoder small-1`"):
        Library.open(filled.path, SmallEncoder(seed=1))
    with Library.open(filled.path, SmallEncoder()) as library:
        assert len(library.add(folder).skipped) == 5


def test_changed_weights_under_the_same_name_are_refused(filled):
    changed = SmallEncoder(seed=1)
    changed.name = "small-0"
    with pytest.raises(FingerprintError):
        Library.open(filled.path, changed)


def test_create_refuses_what_is_there(filled, folder, encoder):
    with pytest.raises(LibraryError, match="is a library already"):
        Library.create(filled.path, encoder)
    with pytest.raises(LibraryError, match="holds something else"):
        Library.create(folder, encoder)
    with pytest.raises(LibraryError, match="holds something else"):
        Library.create(folder / "v001.mp4", encoder)


def test_open_says_what_is_no_library(tmp_path):
    with pytest.raises(LibraryError, match="is no library"):
        Library.open(tmp_path)
    assert not is_library(tmp_path)


def test_creation_that_was_killed_can_be_done_again(tmp_path, encoder):
    connection = sqlite3.connect(tmp_path / "catalogue.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with pytest.raises(LibraryError, match="is no library"):
        Library.open(tmp_path)
    with Library.open_or_create(tmp_path, encoder) as library:
        assert library.videos() == []
    with Library.open_or_create(tmp_path, encoder) as library:
        assert library.encoder is encoder


def test_newer_format_is_refused(filled):
    filled.close()
    connection = sqlite3.connect(filled.path / "catalogue.sqlite")
    connection.execute("UPDATE meta SET value = '99' WHERE key = 'format_version'")
    connection.commit()
    connection.close()
    with pytest.raises(LibraryError, match=r"format 99; expected 1; update"):
        Library.open(filled.path)


def test_remove_by_id_path_and_folder(filled, folder):
    before = content(filled)
    assert filled.remove("v001") == ["v001"]
    assert filled.remove(folder / "v002.mp4") == ["v002"]
    after = content(filled)
    assert sorted(after["features"]) == ["v000#0", "v003#0", "v004#0"]
    assert after["features"].items() <= before["features"].items()
    assert sorted(filled.remove([folder])) == ["v000", "v003", "v004"]
    assert len(filled) == 0
    assert len(filled.add(folder).added) == 5
    assert content(filled) == before


def test_remove_of_an_unknown_name_removes_nothing(filled):
    with pytest.raises(UserError, match="'nobody'"):
        filled.remove(["v001", "nobody"])
    assert len(filled) == 5


def test_compact_keeps_the_content_and_frees_the_space(filled, folder):
    for number in range(3):
        filled.add(write_video(folder / f"more{number}.mp4", seed=200 + number))
    filled.remove(["v000", "v001", "v002", "more1"])
    before = content(filled)
    report = filled.compact()
    assert (report.blocks_before, report.blocks_after) == (3, 1)
    assert report.bytes_after < report.bytes_before
    assert content(filled) == before
    assert filled.check().problems == ()
    assert len(list((filled.path / "blocks").iterdir())) == 1
    generation = filled.generation
    assert filled.compact().blocks_after == 1
    assert filled.generation == generation


def test_many_small_blocks_are_merged(library, tmp_path):
    paths = [write_video(tmp_path / f"{number}.mp4", 1.0, seed=number) for number in range(34)]
    for path in paths:
        library.add(path)
    assert library.info().blocks < 34
    assert library.check().problems == ()
    assert [video.video_id for video in library.videos()] == sorted(path.stem for path in paths)


def test_check_reads_everything(filled):
    report = filled.check()
    assert (report.videos, report.segments, report.blocks, report.problems) == (5, 5, 1, ())
    assert report.bytes_read == next((filled.path / "blocks").iterdir()).stat().st_size


def test_check_finds_a_flipped_bit_and_names_the_videos(filled):
    damage(next((filled.path / "blocks").iterdir()))
    (problem,) = filled.check().problems
    assert "v000, v001, v002, v003, v004" in problem
    assert "expected sha256" in problem


def test_missing_block_is_said_by_check_and_by_reading(filled):
    next((filled.path / "blocks").iterdir()).unlink()
    (problem,) = filled.check().problems
    assert "missing" in problem
    filled.close()
    with Library.open(filled.path) as library, pytest.raises(LibraryError, match="lacks a block"):
        library.segment_features(["v001#0"])


def test_check_names_videos_whose_file_is_gone(filled, folder):
    (folder / "v003.mp4").unlink()
    assert filled.check().missing_files == (str(folder / "v003.mp4"),)


def test_unknown_video(filled):
    with pytest.raises(UserError, match="no video 'nobody'"):
        filled.video("nobody")


def test_leftovers_of_a_killed_writer_are_deleted_by_the_next(filled, folder):
    blocks = filled.path / "blocks"
    (blocks / "0123.safetensors.tmp").write_bytes(b"half")
    (blocks / "4567.safetensors").write_bytes(b"never committed")
    filled.add(folder)
    assert len(list(blocks.iterdir())) == 1


def test_merged_libraries_equal_one_that_was_built_at_once(filled, folder, tmp_path, encoder):
    expected = content(filled)
    halves = []
    for name, pattern in (("first", "*[0-2].mp4"), ("second", "*[1-4].mp4")):
        with Library.create(tmp_path / name, encoder) as half:
            half.add(folder, only=pattern)
        halves.append(tmp_path / name)
    with Library.open(halves[0], encoder) as merged:
        report = merged.merge(halves[1])
        assert report.added == ("v003", "v004")
        assert [note.reason for note in report.skipped] == [
            "same content as 'v001', kept once",
            "same content as 'v002', kept once",
        ]
        assert content(merged) == expected
        assert len(merged.add(folder).skipped) == 5


def test_merge_gives_a_taken_id_the_content_hash(tmp_path, encoder):
    for number, name in enumerate(("first", "second")):
        with Library.create(tmp_path / name, encoder) as library:
            library.add(write_video(tmp_path / f"videos{number}" / "x.mp4", seed=number))
    with Library.open(tmp_path / "first") as merged:
        (added,) = merged.merge(tmp_path / "second").added
        assert added == f"x~{merged.video(added).sha256[:8]}"
        assert len(merged) == 2


def test_merge_refuses_other_features(filled, tmp_path):
    other = tmp_path / "other"
    Library.create(other, SmallEncoder(seed=1)).close()
    with pytest.raises(FingerprintError, match="with encoder small-1"):
        filled.merge(other)
    Library.create(tmp_path / "short", SmallEncoder(), sampling=Sampling(segment_seconds=60)).close()
    with pytest.raises(FingerprintError, match="with sampling"):
        filled.merge(tmp_path / "short")


def test_export_is_a_compact_copy(filled, tmp_path):
    filled.remove("v001")
    assert filled.export(tmp_path / "copy").added == ("v000", "v002", "v003", "v004")
    with Library.open(tmp_path / "copy") as copy:
        assert content(copy) == content(filled)
        assert copy.info().bytes < filled.info().bytes
        assert copy.check().problems == ()
    with pytest.raises(LibraryError, match="is a library already"):
        filled.export(tmp_path / "copy")


def test_an_encoder_whose_folder_was_moved_is_named_and_its_new_place_noted(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(Path(str(resources.files("coarse_to_fine") / "bundled" / "tiny-world")), first)
    Library.create(tmp_path / "library.ctf", encoder=str(first)).close()
    first.rename(second)
    gone = r"made by the encoder in .*first, which is not there.*--encoder"
    with (
        Library.open(tmp_path / "library.ctf", read_only=True) as moved,
        pytest.raises(WeightsError, match=gone),
    ):
        moved.encoder  # noqa: B018 (reading it loads it)
    with Library.open(tmp_path / "library.ctf", encoder=str(second)) as told:
        told.add(write_video(tmp_path / "v.mp4", 2, 0))
    with Library.open(tmp_path / "library.ctf", read_only=True) as found:
        assert found.encoder_name == str(second)
        assert found.encoder.fingerprint == found.encoder_fingerprint
