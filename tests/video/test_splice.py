"""Spliced clips hold exactly the frames of their stretch, and no seam is seen where the parts meet."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import SplicedClip, VideoFile, probe, read_frames, splice_clip
from coarse_to_fine.video.cut_plan import frames_of
from tests.video.conftest import OPEN_GOP
from tests.video.files import Recipe, rewrap, steady_times, turned, uneven_times, write_video
from tests.video.reading import Film, numbers_of

NEARLY = 4.0
"""Mean difference of grey values between a picture and itself coded once more; another picture differs by far more."""

CLOSED = {"preset": "fast", "bf": "3", "x264-params": "keyint=30:min-keyint=30:scenecut=0:open-gop=0:b-pyramid=normal"}
FULL_RANGE = Recipe(pix_fmt="yuvj420p", gop=30)
WIDE = Recipe(gop=30, sample_aspect_ratio=Fraction(4, 3))
BASELINE = Recipe(gop=30, bframes=False, options={"profile": "baseline", "preset": "ultrafast"})

MADE: dict[str, tuple[list[float], Recipe]] = {
    "pyramid.mp4": (steady_times(4), Recipe(options=CLOSED)),
    "baseline.mp4": (steady_times(4), BASELINE),
    "full_range.mp4": (steady_times(4), FULL_RANGE),
    "wide.mkv": (steady_times(4), WIDE),
    "adts.ts": (steady_times(4), Recipe(gop=30, sound="aac")),
    "opus.mkv": (steady_times(4), Recipe(gop=30, sound="libopus")),
    "uneven_pyramid.mp4": (uneven_times(12), Recipe(options=CLOSED)),
    "slow.mp4": (steady_times(8, 5), Recipe(gop=10, rate=Fraction(5))),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, film: Film) -> Callable[[str], Path]:
    """Gives the path of a film of `MADE`, or of the shared ones."""
    folder = tmp_path_factory.mktemp("spliced")

    def make(name: str) -> Path:
        if name not in MADE:
            return film(name)
        path = folder / name
        return path if path.exists() else write_video(path, *MADE[name])

    return make


def spliced(path: Path, start_s: float, end_s: float, out: Path) -> tuple[SplicedClip, VideoFile]:
    """The clip, after all that must hold for any of them was looked at."""
    made, source = splice_clip(path, start_s, end_s, out), probe(path)
    clip, end_s = probe(out), min(end_s, source.duration_s)
    wanted = frames_of(source.frame_times_s, start_s, end_s)
    times = np.maximum(source.frame_times_s[wanted.start : wanted.stop] - start_s, 0)
    assert clip.frame_times_s == pytest.approx(times - times[0], abs=2e-3)
    assert made.coded + made.copied == len(wanted) == clip.frame_count
    assert not clip.warnings
    _check_pictures(source, clip, wanted, made.copied)
    _check_stamps(out, len(wanted))
    return made, clip


def _check_pictures(source: VideoFile, clip: VideoFile, wanted: range, copied: int) -> None:
    """Each picture is that of its frame, and as many as were copied are the same to the bit."""
    theirs = read_frames(source, source.frame_times_s[wanted.start : wanted.stop].tolist())
    ours = read_frames(clip, clip.frame_times_s.tolist())
    apart = [
        np.abs(one.picture.astype(np.int16) - other.picture).mean() for one, other in zip(ours, theirs, strict=True)
    ]
    assert max(apart) < NEARLY
    assert apart.count(0.0) >= copied


def _check_stamps(path: Path, frames: int) -> None:
    """Decoding times ascend and lie before those of display; a decoder gives all frames in one go without complaint."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        assert all(a.dts < b.dts for a, b in itertools.pairwise(packets))
        assert all(packet.dts <= packet.pts for packet in packets)
    with av.open(str(path)) as container:
        decoded: list[Any] = list(container.decode(container.streams.video[0]))
        assert len(decoded) == frames
        assert not any(frame.is_corrupt for frame in decoded)
        assert all(a.pts < b.pts for a, b in itertools.pairwise(decoded))


@pytest.mark.parametrize(
    ("name", "start", "end", "coded"),
    [
        ("plain.mp4", 1.0, 3.0, 30),  # key frames every 2 s
        ("plain.mp4", 1.02, 3.31, 30),
        ("no_bframes.mp4", 0.5, 2.0, 9),
        ("pyramid.mp4", 0.9, 2.6, None),
        ("pyramid.mp4", 0.9, 2.0, 3),  # ends before a key frame
        ("baseline.mp4", 0.5, 2.5, 15),
        ("full_range.mp4", 0.5, 2.5, None),
        ("sound.ts", 0.5, 2.5, None),
        ("fragmented.mp4", 0.3, 2.5, None),
        ("ntsc.mp4", 1.0, 3.5, None),
        ("uneven.mkv", 1.3, 9.0, None),
        ("uneven_pyramid.mp4", 0.7, 9.1, None),
        ("slow.mp4", 1.1, 5.1, 5),
    ],
)
def test_a_clip_holds_the_frames_of_its_stretch(
    made: Film, tmp_path: Path, name: str, start: float, end: float, coded: int | None
) -> None:
    clip, _ = spliced(made(name), start, end, tmp_path / "clip.mp4")
    assert 0 < clip.coded < clip.coded + clip.copied
    assert coded is None or coded <= clip.coded <= coded + 3  # a last few may be out of order across the end


def test_a_cut_on_key_frames_copies_all(made: Film, tmp_path: Path) -> None:
    clip, video = spliced(made("plain.mp4"), 2.0, 4.0, tmp_path / "clip.mp4")
    assert (clip.coded, clip.copied) == (0, 60)
    assert video.duration_s == pytest.approx(2.0, abs=1e-3)
    assert numbers_of(clip.path) == list(range(60, 120))


def test_a_cut_up_to_the_end_copies_the_last_group_of_pictures(made: Film, tmp_path: Path) -> None:
    clip, _ = spliced(made("pyramid.mp4"), 2.9, 99.0, tmp_path / "clip.mp4")
    assert (clip.coded, clip.copied) == (3, 30)
    assert numbers_of(clip.path) == list(range(87, 120))


def test_open_groups_of_pictures_are_copied_from_where_a_decoder_starts_afresh(made: Film, tmp_path: Path) -> None:
    clip, _ = spliced(made("open_gop.mp4"), 0.0, 2.5, tmp_path / "clip.mp4")
    assert clip.copied > 60
    with pytest.raises(VideoError, match="no key frame to copy from"):
        splice_clip(made("open_gop.mp4"), 0.5, 2.5, tmp_path / "none.mp4")
    assert not (tmp_path / "none.mp4").exists()


def test_open_groups_behind_a_fresh_start_are_copied(tmp_path: Path) -> None:
    mixed = {**OPEN_GOP, "forced-idr": "1"}
    path = write_video(tmp_path / "mixed.mp4", steady_times(5), Recipe(options=mixed, keys=(75,)))
    clip, _ = spliced(path, 2.0, 4.5, tmp_path / "clip.mp4")
    assert 15 <= clip.coded <= 18


@pytest.mark.parametrize("end", np.arange(61, 75) / 30)
def test_any_end_is_met_to_the_frame(made: Film, tmp_path: Path, end: float) -> None:
    clip, video = spliced(made("pyramid.mp4"), 1.5, float(end), tmp_path / "clip.mp4")
    assert clip.coded <= 15 + 4
    assert video.duration_s == pytest.approx(end - 1.5, abs=0.035)


def test_rotation_and_shape_of_pixels_stay(made: Film, tmp_path: Path) -> None:
    _, tall = spliced(turned(made("plain.mp4"), tmp_path / "turned.mp4", 90), 1.0, 3.0, tmp_path / "tall.mp4")
    assert (tall.width, tall.height, tall.rotation) == (120, 160, 90)
    _, wide = spliced(made("wide.mkv"), 0.5, 2.5, tmp_path / "wide.mp4")
    assert (wide.width, wide.geometry.pixel_aspect) == (213, Fraction(4, 3))


def test_times_count_from_the_first_frame_of_a_late_stream(made: Film, tmp_path: Path) -> None:
    late = rewrap(made("sound.ts"), tmp_path / "late.ts", shift_s=582.336)
    clip, _ = spliced(late, 0.5, 2.5, tmp_path / "clip.mp4")
    assert numbers_of(clip.path) == list(range(15, 75))


@pytest.mark.parametrize(
    ("name", "codec", "anew"),
    [("plain.mp4", "aac", False), ("adts.ts", "aac", False), ("opus.mkv", "opus", False), ("sound.ts", "aac", True)],
)
def test_sound_is_copied_where_mp4_takes_it(made: Film, tmp_path: Path, name: str, codec: str, anew: bool) -> None:
    clip, _ = spliced(made(name), 0.5, 2.5, tmp_path / "clip.mp4")
    assert clip.sound_coded == anew
    with av.open(str(clip.path)) as container:
        sound = container.streams.audio[0]
        frames = list(container.decode(sound))
        assert sound.codec_context.name == codec
    assert frames[0].time == pytest.approx(0.0, abs=0.05)
    assert frames[-1].time == pytest.approx(2.0, abs=0.08)


def test_a_silent_video_gives_a_silent_clip(made: Film, tmp_path: Path) -> None:
    clip, video = spliced(made("no_bframes.mp4"), 0.5, 2.0, tmp_path / "clip.mp4")
    assert not video.has_audio
    assert not clip.sound_coded


def test_one_stream_carries_both_kinds_of_parameters(made: Film, tmp_path: Path) -> None:
    clip, video = spliced(made("plain.mp4"), 1.0, 3.0, tmp_path / "clip.mp4")
    data = clip.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert data.count(b"avc1") >= 1
    with av.open(str(clip.path)) as container:
        extradata = container.streams.video[0].codec_context.extradata or b""
        assert extradata[5] & 0x1F == 2
    assert video.key_times_s == pytest.approx([0.0, 1.0, *video.key_times_s[2:]])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hevc_10bit.mp4", "hevc"),
        ("vp9_hidden.webm", "vp9"),
        ("h264_no_pts.avi", "time stamps"),
        ("long_gop.mp4", "no key frame to copy from"),
        ("gradual_refresh.mp4", "no key frame to copy from"),
        ("interlaced.ts", "interlaced"),
    ],
)
def test_what_cannot_be_spliced_is_refused_and_leaves_nothing(
    made: Film, tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(VideoError, match=reason) as caught:
        splice_clip(made(name), 0.5, 1.9, tmp_path / "clip.mp4")
    assert "cut it with coding" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_stretch_is_refused(made: Film, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="empty or outside"):
        splice_clip(made("plain.mp4"), 50.0, 60.0, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
