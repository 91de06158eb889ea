"""What probing says of intact and unusual files."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from coarse_to_fine.video import clip_count, plan_reading, player_clock, probe, read_frames
from tests.video.conftest import INTACT
from tests.video.files import (
    Recipe,
    draw,
    encode_pictures,
    open_video_stream,
    rewrap,
    steady_times,
    write_video,
)
from tests.video.packed_avi import write_packed_avi
from tests.video.reading import Film, numbers_at, shown_at

ODD_NAMES = [
    "ein Vidéo 日本 #1 %20 'q' & x.mp4",
    'ünï 视频 😀 "q" %03d.mp4',
    "-leading dash.mp4",
    " spaces at the ends .mp4",
    "new\nline.mp4",
    "http:not an address.mp4",
    "long " + "x" * 240 + ".mp4",
]


@pytest.mark.parametrize("name", INTACT)
def test_frame_times_are_those_of_the_film(film: Film, name: str) -> None:
    times, recipe = INTACT[name]
    video = probe(film(name))
    assert video.frame_count == len(times)
    np.testing.assert_allclose(video.frame_times_s, times, atol=1.5e-3)
    assert (video.width, video.height, video.rotation) == (recipe.width, recipe.height, 0)
    assert video.lost == ()
    assert video.has_audio == (recipe.sound is not None)
    assert video.key_times_s[0] == 0.0


@pytest.mark.parametrize("name", [name for name in INTACT if not name.startswith("uneven")])
def test_duration_is_the_end_of_the_last_frame(film: Film, name: str) -> None:
    times, recipe = INTACT[name]
    assert probe(film(name)).duration_s == pytest.approx(times[-1] + float(1 / recipe.rate), abs=2e-3)


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv", "uneven_ahead.mkv"])
def test_uneven_rates_are_not_taken_for_damage(film: Film, name: str) -> None:
    video = probe(film(name))
    assert (video.lost, video.warnings) == ((), ())
    assert np.diff(video.frame_times_s).max() > 2.9


@pytest.mark.parametrize(
    ("name", "codec"), [("av1.mp4", "av1"), ("plain.mp4", "h264"), ("vp9_hidden.webm", "vp9"), ("wmv2.wmv", "wmv2")]
)
def test_a_codec_has_its_own_name_not_that_of_its_decoder(film: Film, name: str, codec: str) -> None:
    assert probe(film(name)).codec == codec


@pytest.mark.parametrize("frames", [1, 9, 57, 60, 63])
def test_short_videos_have_at_least_one_clip(tmp_path: Path, frames: int) -> None:
    video = probe(write_video(tmp_path / "short.mp4", steady_times(frames / 30)))
    plan = plan_reading(video)
    assert video.duration_s == pytest.approx(frames / 30, abs=1e-4)
    assert len(plan.clip_positions) == clip_count(frames / 30) == (2 if frames > 60 else 1)
    assert plan.segments[-1].end_s <= video.duration_s


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_read(film: Film, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    shutil.copyfile(film("one_frame.mp4"), path)
    assert probe(path).frame_count == 1


def test_relative_names_with_a_colon_or_a_dash_are_files(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.mp4", "-i.mp4"):
        shutil.copyfile(film("one_frame.mp4"), tmp_path / name)
        assert probe(name).frame_count == 1


def test_times_count_from_the_first_frame_of_a_late_stream(film: Film, tmp_path: Path) -> None:
    video = probe(rewrap(film("sound.ts"), tmp_path / "late.ts", shift_s=582.336))
    assert video.frame_times_s[0] == 0.0
    assert video.duration_s == pytest.approx(3.0)
    assert numbers_at(video, [0.0, 2.0]) == [0, 60]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "webm"])
def test_the_same_content_has_the_same_clips_in_every_container(tmp_path: Path, suffix: str) -> None:
    recipe = Recipe(codec="libvpx" if suffix == "webm" else "libx264", gop=60, rate=Fraction(10))
    times = steady_times(7.5, 10)
    video = probe(write_video(tmp_path / f"film.{suffix}", times, recipe))
    plan = plan_reading(video)
    assert len(plan.clip_positions) == 4
    clip_times = [plan.times_s[position] for position in plan.clip_positions]
    assert shown_at(times, clip_times) == [10, 30, 50, 67]


def test_pictures_coded_out_of_order_without_presentation_times(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "no_pts.mp4"
    path.write_bytes(film("long_gop.mp4").read_bytes().replace(b"ctts", b"free").replace(b"edts", b"free"))
    video = probe(path)
    assert video.packets.clock == "dts"
    assert "no presentation times" in video.warnings[0]
    assert video.duration_s == pytest.approx(5.0)
    assert numbers_at(video, video.frame_times_s.tolist()) == list(range(150))


def test_an_edit_list_cuts_nothing_where_there_are_no_presentation_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "no_pts.mp4", steady_times(2), Recipe(gop=60))
    path.write_bytes(path.read_bytes().replace(b"ctts", b"free"))
    with av.open(str(path)) as container:
        assert any(packet.is_discard for packet in container.demux(video=0))
    video = probe(path)
    assert (video.packets.clock, video.frame_count) == ("dts", 60)
    assert numbers_at(video, video.frame_times_s.tolist()) == list(range(60))
    assert video.key_times_s[0] == 0


@pytest.mark.parametrize("suffix", ["avi", "mp4"])
def test_pictures_may_first_come_out_of_order_late(tmp_path: Path, suffix: str) -> None:
    recipe = Recipe(gop=300, in_order=100, time_base=None)
    path = write_video(tmp_path / f"late.{suffix}", steady_times(6), recipe)
    path.write_bytes(path.read_bytes().replace(b"ctts", b"free").replace(b"edts", b"free"))
    video = probe(path)
    assert video.packets.clock == "dts"
    assert numbers_at(video, video.frame_times_s.tolist()) == list(range(180))


def test_pictures_that_could_come_out_of_order_and_never_do_keep_their_times(tmp_path: Path) -> None:
    video = probe(write_video(tmp_path / "never.mp4", steady_times(6), Recipe(gop=300, in_order=180)))
    assert (video.packets.clock, video.warnings) == ("pts", ())


def test_packed_pictures_in_an_avi(tmp_path: Path) -> None:
    video = probe(write_packed_avi(tmp_path / "packed.avi", steady_times(2.1), Fraction(16, 11)))
    assert (video.frame_count, video.packets.clock) == (63, "dts")
    assert (video.width, video.height) == (233, 120)
    assert len(plan_reading(video).clip_positions) == 2
    assert numbers_at(video, video.frame_times_s.tolist()) == list(range(63))


def test_an_event_late_in_a_long_video_lies_in_its_segments(tmp_path: Path) -> None:
    recipe = Recipe(rate=Fraction(1), gop=60)
    video = probe(write_video(tmp_path / "long.mp4", steady_times(720, 1), recipe))
    plan = plan_reading(video)
    holding = [segment for segment in plan.segments if segment.start_s <= 680 < segment.end_s]
    assert [(segment.start_s, segment.end_s) for segment in holding] == [(570.0, 720.0)]
    clip = plan.clip_positions[340]
    assert numbers_at(video, [plan.times_s[clip]]) == [681]


def test_parts_whose_time_stamps_start_anew_follow_each_other(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "twice.ts"
    path.write_bytes(2 * film("sound.ts").read_bytes())
    video = probe(path)
    assert video.duration_s == pytest.approx(6.0)
    assert "start anew at 3.0 s" in video.warnings[0]
    assert numbers_at(video, [0.5, 2.5, 3.5, 5.5]) == [15, 75, 15, 75]


@pytest.mark.parametrize("is_marked", [True, False])
@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "mjpeg"), ("mp4", "png"), ("mkv", "mjpeg")])
def test_a_cover_picture_is_not_the_video(tmp_path: Path, suffix: str, codec: str, is_marked: bool) -> None:
    path = tmp_path / f"cover.{suffix}"
    with av.open(str(path), "w") as out:
        cover = out.add_stream(codec, rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "rgb24"
        if is_marked:
            cover.disposition = int(av.stream.Disposition.attached_pic.value)
        stream = open_video_stream(out, Recipe())
        frame = av.VideoFrame.from_ndarray(draw(999, 48, 64), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1)
        for packet in [*cover.encode(frame), *cover.encode(None), *encode_pictures(stream, steady_times(1), Recipe())]:
            out.mux(packet)
    video = probe(path)
    assert (video.width, video.frame_count, video.warnings) == (160, 30, ())


@pytest.mark.parametrize(("default", "width", "height"), [(None, 160, 120), (0, 160, 120), (1, 96, 80)])
def test_the_default_of_several_videos_is_read_and_said(
    tmp_path: Path, default: int | None, width: int, height: int
) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        streams = [open_video_stream(out, Recipe()), open_video_stream(out, Recipe(width=96, height=80))]
        if default is not None:
            streams[default].disposition = int(av.stream.Disposition.default.value)
            streams[1 - default].disposition = int(av.stream.Disposition.original.value)
        packets = [
            *encode_pictures(streams[0], steady_times(1), Recipe()),
            *encode_pictures(streams[1], steady_times(1), Recipe(width=96, height=80)),
        ]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    video = probe(path)
    assert (video.width, video.height) == (width, height)
    assert f"2 video streams: number {1 + (default or 0)} is read" in video.warnings[0]
    assert len(list(read_frames(video, [0.5]))) == 1
    assert player_clock(path).shows_first is (default != 1)


def test_a_film_of_separate_pictures_is_one_beside_another(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    jpeg = Recipe(codec="mjpeg", pix_fmt="yuvj420p", width=96, height=80)
    with av.open(str(path), "w") as out:
        streams = [open_video_stream(out, jpeg), open_video_stream(out, Recipe())]
        packets = [
            *encode_pictures(streams[0], steady_times(1), jpeg),
            *encode_pictures(streams[1], steady_times(1), Recipe()),
        ]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    assert (probe(path).width, probe(path).frame_count) == (96, 30)


def test_a_timecode_track_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "timecode.mov"
    with av.open(str(path), "w") as out:
        stream = open_video_stream(out, Recipe())
        stream.metadata["timecode"] = "01:00:00:00"
        for packet in encode_pictures(stream, steady_times(1), Recipe()):
            out.mux(packet)
    with av.open(str(path)) as container:
        assert {stream.type for stream in container.streams} == {"video", "data"}
    video = probe(path)
    assert (video.frame_count, video.duration_s, video.lost) == (30, 1.0, ())


def test_sound_longer_than_the_pictures_is_no_missing_tail(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long_sound.mkv", steady_times(1), Recipe(sound="aac"), sound_seconds=4.0)
    video = probe(path)
    assert video.duration_s == pytest.approx(1.0, abs=2e-3)
    assert video.lost == ()
