"""On every intact file, each asked time gives the picture that is on show then."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import PictureSize, plan_reading, probe, read_frames
from coarse_to_fine.video import packet_source as packet_source_module
from coarse_to_fine.video.packet_source import PacketSource
from tests.video.conftest import INTACT
from tests.video.files import Recipe, read_code, steady_times, write_video
from tests.video.reading import SMALL, Film, numbers_at, shown_at


@pytest.mark.parametrize("name", INTACT)
def test_every_frame_in_one_pass(film: Film, name: str) -> None:
    times = INTACT[name][0]
    video = probe(film(name))
    reader = read_frames(video, video.frame_times_s.tolist(), size=SMALL)
    reads = list(reader)
    assert [read.position for read in reads] == list(range(len(times)))
    assert [code and code[0] for code in (read_code(read.picture) for read in reads)] == list(range(len(times)))
    np.testing.assert_allclose([read.time_s for read in reads], times, atol=1.5e-3)
    assert not any(read.stands_in for read in reads)
    assert reader.lost == []


@pytest.mark.parametrize("name", INTACT)
def test_times_of_a_plan_and_times_between_frames(film: Film, name: str) -> None:
    times = INTACT[name][0]
    video = probe(film(name))
    planned = plan_reading(video, clip_seconds=0.5, segment_seconds=2, overlap_seconds=1).times_s
    between = sorted(random.Random(0).uniform(0, video.duration_s) for _ in range(6))
    assert numbers_at(video, planned) == shown_at(times, planned)
    assert numbers_at(video, between) == shown_at(times, between)


@pytest.mark.parametrize("name", ["open_gop.ts", "gradual_refresh.mp4", "vp8_hidden.webm", "hevc_open_gop.ts"])
def test_one_time_alone(film: Film, name: str) -> None:
    times = INTACT[name][0]
    video = probe(film(name))
    for time in random.Random(1).sample(times, 12):
        assert numbers_at(video, [time]) == shown_at(times, [time])


def test_pictures_do_not_depend_on_what_else_is_asked(film: Film) -> None:
    video = probe(film("plain.mp4"))
    together = {read.time_s: read.picture for read in read_frames(video, video.frame_times_s.tolist())}
    for time in (0.0, 1.5, 4.9):
        (alone,) = read_frames(video, [time])
        np.testing.assert_array_equal(alone.picture, together[alone.time_s])


def test_threads_do_not_change_pictures(film: Film) -> None:
    video = probe(film("long_gop.mp4"))
    one = [read.picture for read in read_frames(video, [0.5, 3.0, 4.9], threads=1)]
    many = [read.picture for read in read_frames(video, [0.5, 3.0, 4.9], threads="auto")]
    np.testing.assert_array_equal(one, many)


def test_equal_times_give_equal_pictures_at_each_position(film: Film) -> None:
    video = probe(film("plain.mp4"))
    reads = list(read_frames(video, [1.0, 1.0, 1.01, 2.0], size=SMALL))
    assert [read.position for read in reads] == [0, 1, 2, 3]
    assert reads[0].picture is reads[1].picture is reads[2].picture


def test_prepare_is_applied_to_each_picture(film: Film) -> None:
    video = probe(film("plain.mp4"))
    shapes = [read.picture for read in read_frames(video, [0.0, 1.0], lambda picture: picture.shape)]
    assert shapes == [(120, 160, 3), (120, 160, 3)]


def test_no_times_give_no_pictures(film: Film) -> None:
    assert list(read_frames(probe(film("plain.mp4")), [])) == []


def test_times_that_go_back_are_refused(film: Film) -> None:
    with pytest.raises(VideoError, match="ascending"):
        read_frames(probe(film("plain.mp4")), [1.0, 0.5])


def test_only_groups_with_a_wanted_frame_are_decoded(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    original = PacketSource.packets_from

    def counting(self: PacketSource, number: int):
        for item in original(self, number):
            fed.append(item[0])
            yield item

    monkeypatch.setattr(PacketSource, "packets_from", counting)
    video = probe(film("plain.mp4"))  # groups of 60
    list(read_frames(video, [0.1, 4.1], size=SMALL))
    assert len(fed) < 20


@pytest.mark.parametrize(
    ("suffix", "recipe"),
    [
        ("mp4", Recipe(gop=15)),
        ("mkv", Recipe(gop=15)),
        ("ts", Recipe(gop=15)),
        ("webm", Recipe(codec="libvpx", gop=15)),
        ("mpg", Recipe(codec="mpeg2video", gop=15, time_base=None, options={"bf": "2"})),
        ("avi", Recipe(codec="mpeg4", gop=15, time_base=None)),
    ],
)
def test_far_jumps_seek_and_stay_exact(
    tmp_path: Path, suffix: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_source_module, "SEEK_S", 1.0)
    times = steady_times(8)
    video = probe(write_video(tmp_path / f"film.{suffix}", times, recipe))
    wanted = [0.5, 3.3, 3.4, 5.6, 7.9]
    assert numbers_at(video, wanted) == shown_at(times, wanted)


def test_full_size_is_the_default_and_a_smaller_picture_is_not_enlarged(film: Film) -> None:
    video = probe(film("plain.mp4"))
    shapes = [
        next(iter(read_frames(video, [1.0], size=size))).picture.shape
        for size in (None, PictureSize(60, "short-side"), PictureSize(500, "short-side"), PictureSize(224))
    ]
    assert shapes == [(120, 160, 3), (60, 80, 3), (120, 160, 3), (224, 224, 3)]
