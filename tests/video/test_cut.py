"""Clips cut out of videos start and end where they should."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import Piece, cut_clip, cut_reel, probe, read_frames
from tests.video.files import Recipe, read_code, rewrap, steady_times, turned, write_video
from tests.video.reading import Film, numbers_of


@pytest.mark.parametrize("name", ["plain.mp4", "sound.ts", "hevc_10bit.mp4", "vp8_one_key.webm", "interlaced.ts"])
def test_a_clip_holds_the_frames_of_its_stretch(film: Film, tmp_path: Path, name: str) -> None:
    out = cut_clip(film(name), 0.5, 1.5, tmp_path / "clip.mp4")
    assert numbers_of(out) == list(range(15, 45))
    assert probe(out).duration_s == pytest.approx(1.0, abs=1e-3)


def test_a_clip_is_h264_in_mp4_with_its_index_first(film: Film, tmp_path: Path) -> None:
    out = cut_clip(film("hevc_10bit.mp4"), 0.0, 1.0, tmp_path / "clip.mp4")
    video = probe(out)
    assert (video.codec, video.pix_fmt) == ("h264", "yuv420p")
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_clip_that_starts_between_frames_starts_with_the_frame_on_show(film: Film, tmp_path: Path) -> None:
    assert numbers_of(cut_clip(film("plain.mp4"), 1.02, 1.31, tmp_path / "clip.mp4")) == list(range(30, 40))


def test_times_count_from_the_first_frame_of_a_late_stream(film: Film, tmp_path: Path) -> None:
    late = rewrap(film("sound.ts"), tmp_path / "late.ts", shift_s=582.336)
    assert numbers_of(cut_clip(late, 1.0, 2.0, tmp_path / "clip.mp4")) == list(range(30, 60))


def test_sound_is_kept_beside_the_pictures(film: Film, tmp_path: Path) -> None:
    out = cut_clip(film("plain.mp4"), 1.0, 3.0, tmp_path / "clip.mp4")
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        frames = list(container.decode(sound))
    assert frames[0].time == pytest.approx(0.0, abs=0.05)
    assert frames[-1].time == pytest.approx(2.0, abs=0.08)


def test_a_turned_video_gives_an_upright_clip_of_the_asked_height(film: Film, tmp_path: Path) -> None:
    path = turned(film("no_bframes.mp4"), tmp_path / "turned.mp4", 90)
    out = cut_clip(path, 1.0, 2.0, tmp_path / "clip.mp4", max_height=80)
    video = probe(out)
    assert (video.width, video.height, video.rotation) == (60, 80, 0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (av.error.OSError(28, "No space left on device"), "writable place"),
        (av.error.ArgumentError(22, "Invalid argument"), "can be coded"),
    ],
)
def test_the_place_is_blamed_only_for_its_own_faults(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: av.FFmpegError, said: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("coarse_to_fine.video.cut._write", fails)
    with pytest.raises(VideoError, match=said):
        cut_clip(film("plain.mp4"), 0.5, 1.5, tmp_path / "clip.mp4")


@pytest.mark.parametrize("rate", [5, 30])
@pytest.mark.parametrize(("start", "end"), [(1.0, 3.0), (1.0, 3.1), (1.1, 3.0), (0.9, 2.95), (0.0, 0.3), (3.5, 4.0)])
def test_a_clip_lasts_as_long_as_its_stretch(tmp_path: Path, rate: int, start: float, end: float) -> None:
    recipe = Recipe(rate=Fraction(rate), height=48, width=64)
    source = write_video(tmp_path / "film.mp4", steady_times(4, rate), recipe)
    video = probe(cut_clip(source, start, end, tmp_path / "clip.mp4"))
    times = np.array(steady_times(4, rate)) - start
    expected = times[(times > -1 / rate + 1e-6) & (times < end - start - 1e-6)].clip(0)
    assert video.frame_times_s.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert video.duration_s == pytest.approx(end - start, abs=1e-4)


def test_uneven_frames_keep_their_times_and_the_last_is_held(film: Film, tmp_path: Path) -> None:
    source = probe(film("uneven.mp4"))
    video = probe(cut_clip(film("uneven.mp4"), 3.0, 8.0, tmp_path / "clip.mp4"))
    expected = source.frame_times_s[(source.frame_times_s >= 3.0) & (source.frame_times_s < 8.0)] - 3.0
    assert video.frame_times_s[: len(expected)].tolist() == pytest.approx(expected.tolist(), abs=2e-3)
    assert video.duration_s == pytest.approx(5.0, abs=0.05)


def test_a_stretch_past_the_end_is_cut_to_the_video(film: Film, tmp_path: Path) -> None:
    assert numbers_of(cut_clip(film("no_bframes.mp4"), 2.5, 99.0, tmp_path / "clip.mp4")) == list(range(75, 90))


@pytest.mark.parametrize(("start", "end"), [(2.0, 2.0), (3.0, 2.0), (50.0, 60.0), (-5.0, 0.0)])
def test_an_empty_stretch_is_refused(film: Film, tmp_path: Path, start: float, end: float) -> None:
    with pytest.raises(VideoError, match=r"is empty or outside the video of 3\.00 s"):
        cut_clip(film("no_bframes.mp4"), start, end, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_video_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(VideoError, match="not a video file"):
        cut_clip(tmp_path / "a.mp4", 0, 1, tmp_path / "clip.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_reel_joins_pieces_of_different_shapes(film: Film, tmp_path: Path) -> None:
    tall = turned(film("no_bframes.mp4"), tmp_path / "turned.mp4", 90)
    out = cut_reel([Piece(film("plain.mp4"), 1.0, 2.0), Piece(tall, 0.0, 1.0)], tmp_path / "reel.mp4")
    video = probe(out)
    assert (video.width, video.height, video.frame_count) == (160, 120, 60)
    assert video.duration_s == pytest.approx(2.0, abs=1e-3)
    first, second = (read.picture for read in read_frames(video, [0.5, 1.5]))
    assert read_code(first) == (45, 0)
    assert second[:, :30].max() < 40


def test_a_reel_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no stretch"):
        cut_reel([], tmp_path / "reel.mp4")
