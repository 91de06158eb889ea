"""What `Library.add` stores, skips and refuses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from coarse_to_fine import Library
from coarse_to_fine.errors import UserError
from coarse_to_fine.features.files import FilePictures
from coarse_to_fine.features.pictures import embed_videos
from coarse_to_fine.library import Sampling
from coarse_to_fine.video import find_videos
from tests.library.contents import content
from tests.library.small_videos import set_older, write_video, write_videos
from tests.open_files import needs_list_of_open_files, open_files

ODD_NAMES = [
    "with  spaces and trailing .mp4",
    "quotes ' \" `.mp4",
    "new\nline.mp4",
    "ünï 视频 عربى 😀 #%&?;.mp4",
    "-leading-dash.mp4",
    "%41%2F..mp4",
    "n" * 240 + ".mp4",
    "tab\tand\x07bell.mp4",
    "a#0.mp4",
    "UPPER.MP4",
]


def test_stored_features_are_those_of_the_file(library, encoder, tmp_path):
    path = write_video(tmp_path / "one.mp4", 7.0, seed=3)
    library.add(path)
    (segment,) = library.segments()
    (stored,) = library.segment_features([segment.segment_id])
    (outcome,) = embed_videos([lambda: FilePictures(path, encoder, Sampling())], encoder, 1)
    assert (stored.video_id, stored.start_s, stored.end_s, stored.clip_seconds) == ("one", 0.0, 7.0, 2.0)
    assert torch.equal(stored.clips, outcome.features.clips.half().float())
    assert torch.equal(stored.frames, outcome.features.frames[0].half().float())
    assert stored.clips.shape == (4, 16)
    assert stored.frames.shape == (12, 16)
    assert stored.clips.dtype == torch.float32


def test_long_video_has_overlapping_segments_that_share_clips(tmp_path, encoder):
    sampling = Sampling(segment_seconds=10, segment_overlap_seconds=4, frames_per_segment=3)
    with Library.create(tmp_path / "library", encoder, sampling=sampling) as library:
        library.add(write_video(tmp_path / "long.mp4", 21.0))
        segments = library.segments("long")
        assert [(one.start_s, one.end_s) for one in segments] == [(0, 10), (6, 16), (12, 21)]
        first, second, third = library.segment_features([one.segment_id for one in segments])
    assert torch.equal(first.clips[3:], second.clips[:2])
    assert torch.equal(second.clips[3:], third.clips[:2])
    assert first.frames.shape == (3, 16)
    assert third.clips.shape == (5, 16)


def test_second_run_decodes_nothing(filled, folder, encoder):
    generation, encoded = filled.generation, encoder.encoded
    calls = []
    report = filled.add(folder, progress=lambda *call: calls.append(call))
    assert report.added == report.failed == report.notes == ()
    assert len(report.skipped) == 5
    assert (filled.generation, encoder.encoded, calls) == (generation, encoded, [])


def test_progress_counts_every_decoded_file(library, folder):
    calls = []
    library.add(folder, progress=lambda done, total, path: calls.append((done, total, Path(path).name)))
    assert calls == [(number + 1, 5, f"v{number:03d}.mp4") for number in range(5)]


@pytest.mark.parametrize("workers", [1, 5])
def test_number_of_workers_does_not_change_the_content(filled, folder, tmp_path, encoder, workers):
    with Library.create(tmp_path / "other", encoder) as other:
        other.add(folder, workers=workers)
        assert content(other) == content(filled)


def test_only_new_files_are_decoded(filled, folder, encoder):
    encoded = encoder.encoded
    write_video(folder / "new.mp4", 2.0, seed=77)
    report = filled.add(folder)
    assert [Path(path).name for path in report.added] == ["new.mp4"]
    assert encoder.encoded - encoded <= 13
    assert len(filled) == 6


def test_changed_file_is_redone_alone(filled, folder):
    before = content(filled)
    write_video(folder / "v002.mp4", 8.0, seed=99)
    report = filled.add(folder)
    after = content(filled)
    assert [Path(path).name for path in report.added] == ["v002.mp4"]
    assert filled.video("v002").duration_s == 8.0
    for segment_id, tensors in before["features"].items():
        assert (after["features"][segment_id] == tensors) == (segment_id != "v002#0")


def test_touched_file_is_not_decoded_again(filled, folder, encoder):
    encoded = encoder.encoded
    set_older(folder / "v001.mp4")
    assert len(filled.add(folder).skipped) == 5
    assert encoder.encoded == encoded
    assert filled.video("v001").mtime_ns == (folder / "v001.mp4").stat().st_mtime_ns


def test_moved_file_keeps_id_and_features(filled, folder, encoder):
    before, encoded = content(filled), encoder.encoded
    (folder / "deep").mkdir()
    (folder / "v001.mp4").rename(folder / "deep" / "renamed.mp4")
    report = filled.add(folder)
    assert encoder.encoded == encoded
    assert [note.reason for note in report.notes] == [f"moved from {folder / 'v001.mp4'}"]
    assert filled.video("v001").path == str(folder / "deep" / "renamed.mp4")
    assert content(filled)["features"] == before["features"]


def test_names_that_were_swapped_move_both_videos(filled, folder, encoder):
    encoded, durations = encoder.encoded, {video.video_id: video.duration_s for video in filled.videos()}
    (folder / "v000.mp4").rename(folder / "waiting")
    (folder / "v001.mp4").rename(folder / "v000.mp4")
    (folder / "waiting").rename(folder / "v001.mp4")
    set_older(folder / "v000.mp4", 5)
    set_older(folder / "v001.mp4", 7)
    filled.add(folder)
    assert filled.video("v000").path.endswith("v001.mp4")
    assert filled.video("v001").path.endswith("v000.mp4")
    assert {video.video_id: video.duration_s for video in filled.videos()} == durations
    assert encoder.encoded == encoded


def test_copy_is_kept_once(filled, folder, encoder):
    encoded = encoder.encoded
    shutil.copy(folder / "v001.mp4", folder / "copy.mp4")
    for _ in range(2):
        report = filled.add(folder)
        assert [(Path(path).name, reason) for path, reason in report.notes] == [
            ("copy.mp4", "same content as 'v001', kept once")
        ]
        assert len(report.skipped) == 6
    assert (len(filled), encoder.encoded, filled.info().copies) == (5, encoded, 1)


def test_copy_takes_over_when_the_first_file_goes(filled, folder):
    shutil.copy(folder / "v001.mp4", folder / "copy.mp4")
    filled.add(folder)
    (folder / "v001.mp4").unlink()
    filled.add(folder)
    assert filled.video("v001").path == str(folder / "copy.mp4")
    assert (len(filled), filled.info().copies) == (5, 0)


def test_equal_files_of_one_run_are_decoded_once(library, folder, encoder):
    for name in ("a.mp4", "z.mp4"):
        shutil.copy(folder / "v001.mp4", folder / name)
    report = library.add(folder)
    assert (len(report.added), len(report.skipped), len(report.notes)) == (5, 2, 2)
    assert [video.video_id for video in library.videos()] == ["a", "v000", "v002", "v003", "v004"]


def test_same_stem_gets_the_content_hash(library, tmp_path):
    write_video(tmp_path / "videos" / "a" / "x.mp4", seed=1)
    write_video(tmp_path / "videos" / "b" / "x.mp4", seed=2)
    library.add(tmp_path / "videos")
    plain, marked = library.videos()
    assert plain.video_id == "x"
    assert marked.video_id == f"x~{marked.sha256[:8]}"
    assert marked.path.endswith(str(Path("b") / "x.mp4"))


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_odd_names(library, encoder, tmp_path):
    folder = tmp_path / "ünï 视频 'q\" #%&"
    for number, name in enumerate(ODD_NAMES):
        write_video(folder / name, 2.0, seed=number)
    report = library.add(folder)
    assert report.failed == ()
    assert sorted(report.added) == sorted(str(folder / name) for name in ODD_NAMES)
    for name in ODD_NAMES:
        video = library.video(Path(name).stem)
        assert video.path == str(folder / name)
        (features,) = library.segment_features([f"{video.video_id}#0"])
        assert features.video_id == video.video_id
    assert len(library.add(folder).skipped) == len(ODD_NAMES)
    removed = library.remove(str(folder / ODD_NAMES[2]))
    assert removed == ["new\nline"]


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
def test_name_that_is_not_unicode(library, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path / "videos") + b"/caf\xe9.mp4")
    write_video(path)
    assert library.add(tmp_path / "videos").added == (path,)
    (video,) = library.videos()
    assert (video.path, video.video_id) == (path, "caf?")
    assert library.add(tmp_path / "videos").skipped == (path,)


def test_links_hidden_files_and_other_endings(library, tmp_path):
    videos = tmp_path / "videos"
    shown = write_video(videos / "shown.mp4", seed=1)
    write_video(videos / ".hidden.mp4", seed=2)
    write_video(videos / ".folder" / "inside.mp4", seed=3)
    write_video(videos / "download.mp4.part", seed=4)
    (videos / "notes.txt").write_text("no video")
    assert library.add(videos).added == (str(shown),)
    assert len(library.add(videos, include_hidden=True).added) == 3


def test_a_library_takes_the_files_that_features_take(library, tmp_path):
    videos, elsewhere = tmp_path / "videos", tmp_path / "elsewhere"
    for number, name in enumerate(("a.mxf", "b.m2v", "c.vob", "d.asf", "$RECYCLE.BIN/r.mp4", "@eaDir/t.mp4")):
        write_video(tmp_path / "made" / f"{number}.mp4", seed=number)
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / f"{number}.mp4").rename(videos / name)
    write_video(elsewhere / "linked.mp4", seed=9)
    (videos / "far").symlink_to(elsewhere)
    (videos / "far" / "round").symlink_to(videos)
    (videos / "nowhere.mp4").symlink_to(tmp_path / "absent")
    found = [str(path) for path in find_videos([videos]).files]
    report = library.add(videos)
    assert sorted(report.added) == sorted(found)
    assert [Path(path).name for path in found] == ["a.mxf", "b.m2v", "c.vob", "d.asf", "linked.mp4"]
    assert report.failed == ((str(videos / "nowhere.mp4"), "a link that leads nowhere"),)
    assert library.add(videos, only="*.mxf").failed == ()


def test_named_file_is_tried_whatever_its_ending(library, tmp_path):
    path = write_video(tmp_path / "odd.bin")
    assert library.add(path).added == (str(path),)


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(library, folder, workers):
    with pytest.raises(UserError, match=f"workers is {workers}; expected 1 or more"):
        library.add(folder, workers=workers)


def test_only_takes_a_pattern(library, folder):
    assert [Path(path).name for path in library.add(folder, only="*3.mp4").added] == ["v003.mp4"]


def test_new_videos_get_the_wanted_ids(library, folder, monkeypatch):
    monkeypatch.chdir(folder)
    library.add({"v000.mp4": "clip 0", "v001.mp4": "v001.mp4"})
    assert [video.video_id for video in library.videos()] == ["clip 0", "v001.mp4"]
    library.add({folder / "v000.mp4": "other", folder / "v002.mp4": "clip 0"})
    taken = next(video.video_id for video in library.videos() if video.path.endswith("v002.mp4"))
    assert taken == f"clip 0~{library.video(taken).sha256[:8]}"
    assert [video.video_id for video in library.videos()] == ["clip 0", taken, "v001.mp4"]


def test_relative_paths_are_stored_absolute(library, folder, monkeypatch):
    monkeypatch.chdir(folder)
    library.add("v001.mp4")
    assert library.video("v001").path == str(folder / "v001.mp4")


def test_many_videos_make_many_blocks_and_each_block_many_videos(library, tmp_path):
    write_videos(tmp_path / "videos", 40)
    library.add(tmp_path / "videos")
    assert library.info().blocks == 3
    assert len(library.segments()) == 40
    assert library.check().problems == ()


def test_interruption_keeps_what_is_finished(library, folder, encoder):
    def interrupt(done, total, path):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.add(folder, progress=interrupt)
    assert [video.video_id for video in library.videos()] == ["v000", "v001", "v002"]
    assert len(library.add(folder).added) == 2


@needs_list_of_open_files
def test_no_file_stays_open(library, tmp_path):
    write_videos(tmp_path / "videos", 12)
    library.add(tmp_path / "videos", only="v00[0-3]*")
    before = open_files()
    library.add(tmp_path / "videos")
    assert len(list(library.frames_matrix())) == 2
    assert open_files() - before == set()
