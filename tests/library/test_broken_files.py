"""Files from which nothing can be had: one line each, the rest is indexed, what is stored stays."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from coarse_to_fine.library.indexing import IndexedFile
from tests.library.contents import content
from tests.library.small_videos import set_older, write_video


def write_sound(path):
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())


@pytest.fixture
def broken(folder):
    """The folder of five good videos with four bad files."""
    (folder / "a-empty.mp4").write_bytes(b"")
    (folder / "b-text.mkv").write_text("this is no video\n" * 100)
    whole = write_video(folder / "c-cut.mp4", 4.0, seed=50).read_bytes()
    (folder / "c-cut.mp4").write_bytes(whole[: len(whole) // 2])
    write_sound(folder / "d-sound.mp4")
    return folder


BROKEN = ["a-empty.mp4", "b-text.mkv", "c-cut.mp4", "d-sound.mp4"]


def names(notes):
    return [Path(path).name for path, _ in notes]


def test_broken_files_are_listed_and_the_rest_is_indexed(library, broken):
    report = library.add(broken)
    assert names(report.failed) == BROKEN
    assert len(report.added) == 5
    for _, reason in report.failed:
        assert "\n" not in reason
        assert len(reason) > 15
        assert "unexpected" not in reason
    assert names(library.info().failures) == BROKEN


def test_an_error_that_nobody_expected_is_not_held_against_the_file(library, folder, monkeypatch):
    """Nor against a file of the same content: no memory today says nothing about tomorrow."""
    twin = folder / "w001.mp4"
    twin.write_bytes((folder / "v001.mp4").read_bytes())
    whole = IndexedFile.pictures

    def fail_at_one(self):
        if Path(self._file.path).name in ("v001.mp4", "w001.mp4"):
            raise RuntimeError("not enough memory")
        return whole(self)

    with monkeypatch.context() as broken:
        broken.setattr(IndexedFile, "pictures", fail_at_one)
        report = library.add(folder)
    assert names(report.failed) == ["v001.mp4", "w001.mp4"]
    assert all(reason.startswith("unexpected RuntimeError: not enough memory; run") for _, reason in report.failed)
    assert library.info().failures == ()
    assert names([(path, "") for path in library.add(folder).added]) == ["v001.mp4"]
    assert library.info().copies == 1


def test_known_failures_are_not_tried_again(library, broken):
    first = library.add(broken)
    generation = library.generation
    second = library.add(broken)
    assert second.failed == ()
    assert second.failed_before == first.failed
    assert library.generation == generation


def test_known_failures_are_tried_again_when_asked_for_or_changed(library, broken):
    first = library.add(broken)
    assert library.add(broken, retry_failed=True).failed == first.failed
    set_older(broken / "b-text.mkv")
    assert names(library.add(broken).failed) == ["b-text.mkv"]
    write_video(broken / "a-empty.mp4", seed=60)
    report = library.add(broken)
    assert [Path(path).name for path in report.added] == ["a-empty.mp4"]
    assert names(library.info().failures) == BROKEN[1:]


def test_file_that_breaks_later_keeps_its_stored_video(filled, folder):
    before = content(filled)
    (folder / "v002.mp4").write_bytes(b"broken now")
    report = filled.add(folder)
    assert names(report.failed) == ["v002.mp4"]
    after = content(filled)
    assert (after["videos"], after["features"]) == (before["videos"], before["features"])
    assert names(filled.add(folder).failed_before) == ["v002.mp4"]


def test_equal_broken_files_share_their_reason(library, folder):
    for name in ("x.mp4", "y.mp4"):
        (folder / name).write_bytes(b"")
    report = library.add(folder)
    assert names(report.failed) == ["x.mp4", "y.mp4"]
    assert names(library.add(folder).failed_before) == ["x.mp4", "y.mp4"]


def test_path_that_is_not_there_is_a_failure_that_is_not_remembered(library, folder):
    report = library.add([folder, folder / "absent.mp4"])
    assert names(report.failed) == ["absent.mp4"]
    assert len(report.added) == 5
    assert library.info().failures == ()


def write_noise(path, seconds=12):
    """H.264 with its index at the front, so that a cut file still opens."""
    dice = np.random.default_rng(0)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as output:
        stream = output.add_stream("h264", rate=5, options={"g": "5", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5 * seconds):
            picture = dice.integers(0, 256, (48, 64, 3)).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())


def test_cut_and_damaged_files_are_stored_with_the_lost_stretch(library, tmp_path):
    write_noise(tmp_path / "whole.mp4")
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 7 // 10])
    hole = bytearray(whole)
    middle, length = len(hole) // 2, len(hole) // 6
    hole[middle : middle + length] = np.random.default_rng(1).integers(0, 256, length).astype(np.uint8).tobytes()
    (tmp_path / "hole.mp4").write_bytes(hole)
    report = library.add([tmp_path / "cut.mp4", tmp_path / "hole.mp4", tmp_path / "whole.mp4"])
    assert (len(report.added), report.failed) == (3, ())
    assert {Path(path).stem for path, _ in report.warnings} == {"cut", "hole"}
    cut, damaged, sound = library.videos()
    assert (sound.warnings, sound.lost_s, sound.duration_s) == ((), (), 12.0)
    assert 7 < cut.duration_s < 10
    assert cut.lost_s == ((pytest.approx(cut.duration_s), pytest.approx(12.0)),)
    ((start, end),) = damaged.lost_s
    assert 4 < start < end < 11
    clips = library.segment_features(["hole#0"])[0].clips
    empty = [clip for clip in range(6) if not clips[clip].any()]
    assert all(start - 1.5 <= 2 * clip + 1 <= end + 1.5 for clip in empty)
    assert any("no picture for" in warning for warning in damaged.warnings) == bool(empty)
