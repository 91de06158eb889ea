"""Files without a picture fail with one line that says what is wrong; damaged files give what they hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import LostSpan, PictureSize, plan_reading, probe, read_frames
from tests.video.files import (
    Recipe,
    cut_bytes,
    overwritten,
    read_code,
    rewrap,
    steady_times,
    without_packets,
    write_sound,
    write_video,
)
from tests.video.reading import SMALL, Film

RECIPE = Recipe(gop=30, sound="aac", options={"preset": "veryfast"}, container={"movflags": "+faststart"})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("source") / "source.mp4", steady_times(8), RECIPE)


def error_of(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        probe(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) not in line
    return line


def test_no_file(tmp_path: Path) -> None:
    assert error_of(tmp_path / "absent.mp4").startswith("no such file")


def test_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "absent.mp4")
    assert error_of(tmp_path / "link.mp4").startswith("a link that leads nowhere")


def test_folder(tmp_path: Path) -> None:
    assert error_of(tmp_path).startswith("a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "closed.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    assert "cannot be read" in error_of(path)


def test_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "zero.mp4").touch()
    assert error_of(tmp_path / "zero.mp4").startswith("the file is empty")


@pytest.mark.parametrize(
    "content",
    [
        b"this is not a video\n" * 50,
        bytes(range(256)) * 20,
        b"\x00" * 5000,
        b"<html><body>404 Not Found</body></html>" * 9,
        b"1\n00:00:01,000 --> 00:00:02,000\nA subtitle.\n\n" * 9,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nother.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
    ],
    ids=["text", "bytes", "zeros", "page", "subtitles", "playlist", "list"],
)
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "named_as_video.mp4"
    path.write_bytes(content)
    assert error_of(path).startswith("not a video file")


def test_a_playlist_opens_no_other_file(film: Film, tmp_path: Path) -> None:
    (tmp_path / "other.mp4").write_bytes(film("one_frame.mp4").read_bytes())
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    assert error_of(tmp_path / "list.mp4").startswith("not a video file")


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "picture.mp4"
    Image.new("RGB", (64, 48)).save(path, "PNG")
    assert error_of(path).startswith("not a video file")


def test_sound_alone(tmp_path: Path) -> None:
    assert error_of(write_sound(tmp_path / "sound.mp4")).startswith("no video stream (the file holds audio)")


@pytest.mark.parametrize(
    ("name", "length", "said"),
    [
        ("vp8_piped.webm", 200, "Matroska or WebM"),
        ("uneven.mkv", 400, "Matroska or WebM"),
        ("sound.ts", 400, "MPEG-TS"),
        ("mpeg4_bframes.avi", 400, "AVI"),
        ("sorenson.flv", 40, "FLV"),
        ("wmv2.wmv", 400, "WMV"),
        ("mpeg2.mpg", 24, "MPEG-PS"),
        ("plain.mp4", 40, "no index"),
        ("plain.mp4", 200, "no index"),
        ("plain.mp4", 400, "no index"),
    ],
)
def test_a_file_of_which_little_more_than_the_head_is_left(
    film: Film, tmp_path: Path, name: str, length: int, said: str
) -> None:
    cut = tmp_path / name
    cut.write_bytes(film(name).read_bytes()[:length])
    line = error_of(cut)
    assert line.startswith("file is incomplete")
    assert said in line


def test_recording_without_index(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", steady_times(2), Recipe())
    line = error_of(cut_bytes(whole, tmp_path / "cut.mp4", 0.6))
    assert line.startswith("file is incomplete (no index)")
    assert "copy the file again" in line


def test_index_without_pictures(source: Path, tmp_path: Path) -> None:
    data = source.read_bytes()
    path = tmp_path / "index_only.mp4"
    path.write_bytes(data[: data.index(b"mdat") + 4])
    assert "holds no frame" in error_of(path)


def test_pictures_of_noise(source: Path, tmp_path: Path) -> None:
    start = source.read_bytes().index(b"mdat") / source.stat().st_size
    path = overwritten(source, tmp_path / "noise.mp4", start + 1e-4, source.stat().st_size)
    assert error_of(path).startswith("no frame can be decoded")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_cut_tail_is_said_and_the_rest_is_read(source: Path, tmp_path: Path, suffix: str) -> None:
    whole = source if suffix == "mp4" else rewrap(source, tmp_path / "whole.mkv")
    video = probe(cut_bytes(whole, tmp_path / f"cut.{suffix}", 0.6))
    assert 3.5 < video.duration_s < 6
    (lost,) = video.lost
    assert lost.start_s == pytest.approx(video.duration_s)
    assert lost.end_s == pytest.approx(8.0, abs=0.05)
    assert "cut off" in video.warnings[0]
    assert_right_pictures(video, plan_reading(video, clip_seconds=0.5, segment_seconds=8, overlap_seconds=0).times_s)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "mjpeg"])
def test_a_cut_tail_of_an_avi_is_said(tmp_path: Path, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    recipe = Recipe(codec=codec, gop=30, pix_fmt=pixels, time_base=None)
    whole = write_video(tmp_path / "whole.avi", steady_times(8), recipe)
    assert probe(whole).lost == ()
    video = probe(cut_bytes(whole, tmp_path / "cut.avi", 0.6))
    (span,) = video.lost
    assert (span.start_s, span.end_s) == (video.duration_s, pytest.approx(8, abs=0.1))


def test_an_avi_from_a_pipe_promises_no_frames(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.avi", steady_times(2), Recipe(codec="mpeg4", gop=30, time_base=None))
    piped = tmp_path / "piped.avi"
    with piped.open("wb") as file:
        rewrap(whole, _Pipe(file), format="avi")
    assert probe(piped).lost == ()


class _Pipe:
    """A file that can only be written on."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def test_a_hole_loses_only_its_group_of_pictures(source: Path, tmp_path: Path) -> None:
    video = probe(overwritten(source, tmp_path / "hole.mp4", 0.5, 1500))
    times = plan_reading(video, clip_seconds=0.25, segment_seconds=8, overlap_seconds=0).times_s
    lost, positions = assert_right_pictures(video, times, stand_in_seconds=0.125)
    assert len(lost) >= 1
    assert sum(span.end_s - span.start_s for span in lost) <= 2.05
    absent = [time for position, time in enumerate(times) if position not in positions]
    assert all(any(span.start_s - 1e-6 <= time < span.end_s for span in lost) for time in absent)


def test_a_hole_in_a_matroska_file_is_said_at_once(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", steady_times(8), Recipe(gop=30, options={"preset": "veryfast"}))
    video = probe(overwritten(whole, tmp_path / "hole.mkv", 0.5, 3000))
    assert [span.reason for span in video.lost] == ["the file holds no frames here"]
    assert 0.25 < video.lost[0].end_s - video.lost[0].start_s < 2


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9", "libx264", "libx265", "mpeg4", "mpeg2video", "mjpeg"])
def test_what_builds_on_missing_pictures_is_lost_up_to_the_next_key_picture(tmp_path: Path, codec: str) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    recipe = Recipe(codec=codec, gop=60, bframes=False, pix_fmt=pixels, time_base=None)
    whole = probe(write_video(tmp_path / "whole.mkv", steady_times(4), recipe))
    torn = probe(without_packets(whole.path, tmp_path / "torn.mkv", range(30, 42)))
    (span,) = torn.lost
    assert span.end_s == pytest.approx(1.4 if codec == "mjpeg" else 2.0, abs=1e-3)
    right = {round(read.time_s, 3): read.picture for read in read_frames(whole, whole.frame_times_s.tolist())}
    reader = read_frames(torn, torn.frame_times_s.tolist(), stand_in_seconds=0)
    delivered = list(reader)
    assert all(np.array_equal(read.picture, right[round(read.time_s, 3)]) for read in delivered)
    assert len(delivered) == (torn.frame_count if codec == "mjpeg" else torn.frame_count - 18)
    assert all(span.start_s <= lost.start_s and lost.end_s <= span.end_s for lost in reader.lost)


def test_a_camera_that_stalled_loses_the_pause_alone_in_an_mp4(tmp_path: Path) -> None:
    """Damage takes no picture out of the table of an MP4, so these were never coded and all others are right."""
    times = np.delete(steady_times(4), slice(30, 42))
    video = probe(write_video(tmp_path / "stalled.mp4", times, Recipe(gop=60)))
    (span,) = video.lost
    assert (span.start_s, span.end_s) == (pytest.approx(1.0, abs=0.05), pytest.approx(1.4, abs=0.01))
    reader = read_frames(video, video.frame_times_s.tolist(), stand_in_seconds=0)
    assert len(list(reader)) == video.frame_count and not reader.lost


@pytest.mark.parametrize("name", ["gradual_refresh.mp4", "vp8_hidden.webm", "h264_no_pts.avi", "open_gop.ts"])
def test_damage_in_unusual_files_gives_pictures_and_lost_spans(film: Film, tmp_path: Path, name: str) -> None:
    video = probe(overwritten(film(name), tmp_path / name, 0.5, 2000))
    reader = read_frames(video, video.frame_times_s.tolist(), size=SMALL)
    reads = list(reader)
    assert len(reads) > video.frame_count / 3
    assert len(reads) == video.frame_count or reader.lost


def test_a_near_frame_stands_in_and_says_so(source: Path, tmp_path: Path) -> None:
    video = probe(overwritten(source, tmp_path / "hole.mp4", 0.5, 1500))
    reader = read_frames(video, video.frame_times_s.tolist(), size=SMALL, stand_in_seconds=0.2)
    reads = list(reader)
    stands = [read for read in reads if read.stands_in]
    assert stands
    for read in stands:
        assert abs(video.frame_times_s[read.position] - read.time_s) <= 0.2
        assert any(span.start_s <= video.frame_times_s[read.position] < span.end_s for span in reader.lost)
    whole = {read.position for read in reads if not read.stands_in}
    assert all(video.frame_times_s[read.position] == read.time_s for read in reads if read.position in whole)
    assert [read.position for read in reads] == sorted({read.position for read in reads})


def test_the_frame_after_a_hole_stands_in_too(source: Path, tmp_path: Path) -> None:
    video = probe(overwritten(source, tmp_path / "hole.mp4", 0.5, 1500))
    reader = read_frames(video, video.frame_times_s.tolist(), size=SMALL, stand_in_seconds=0.0)
    list(reader)
    span = max(reader.lost, key=lambda span: span.end_s - span.start_s)
    just_before_the_end = span.end_s - 0.05
    (read,) = read_frames(video, [just_before_the_end], size=SMALL, stand_in_seconds=0.1)
    assert read.stands_in
    assert read.time_s == pytest.approx(span.end_s, abs=1e-3)


def test_when_no_wanted_frame_can_be_decoded_it_is_an_error(source: Path, tmp_path: Path) -> None:
    video = probe(overwritten(source, tmp_path / "hole.mp4", 0.5, 1500))
    reader = read_frames(video, video.frame_times_s.tolist(), size=SMALL)
    list(reader)
    span = max(reader.lost, key=lambda span: span.end_s - span.start_s)
    with pytest.raises(VideoError, match="no frame can be decoded"):
        list(read_frames(video, [(span.start_s + span.end_s) / 2], size=SMALL, stand_in_seconds=0.0))


def test_a_file_cut_after_it_was_probed_gives_what_is_left(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "shrinking.mp4"
    path.write_bytes(source.read_bytes())
    video = probe(path)
    cut_bytes(source, path, 0.6)
    lost, positions = assert_right_pictures(video, video.frame_times_s.tolist(), stand_in_seconds=0.0)
    assert 100 < len(positions) < 200
    assert lost[-1].end_s == pytest.approx(8.0)


def assert_right_pictures(video, times, stand_in_seconds: float = 1.0) -> tuple[list[LostSpan], set[int]]:
    """Every picture that comes is the one of its time; returns what is lost and the positions that came."""
    reader = read_frames(video, times, size=PictureSize(112), stand_in_seconds=stand_in_seconds)
    positions = set()
    for read in reader:
        assert read_code(read.picture) == (round(read.time_s * 30), 0)
        positions.add(read.position)
    return reader.lost, positions
