"""Pictures come out upright, with square pixels and right colours, whatever the file stores."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from coarse_to_fine.errors import VideoError
from coarse_to_fine.video import PictureSize, probe, read_frames, thumbnail
from coarse_to_fine.video.container import DECODER_OPTIONS
from tests.video.files import (
    Recipe,
    draw,
    open_video_stream,
    read_code,
    steady_times,
    turned,
    write_video,
)
from tests.video.reading import SMALL, Film


def picture_at(path: Path, time_s: float = 0.5, size: PictureSize | None = None) -> np.ndarray:
    return next(iter(read_frames(probe(path), [time_s], size=size))).picture


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_display_matrix_turns_the_picture(film: Film, tmp_path: Path, degrees: int) -> None:
    path = turned(film("no_bframes.mp4"), tmp_path / "turned.mp4", degrees)
    video = probe(path)
    assert video.rotation == degrees
    assert (video.width, video.height) == ((120, 160) if degrees % 180 else (160, 120))
    assert read_code(picture_at(path, 1.0), video.height, video.width) == (30, degrees)
    assert read_code(picture_at(path, 1.0, SMALL), video.height, video.width) == (30, degrees)
    upright = picture_at(film("no_bframes.mp4"), 1.0)
    np.testing.assert_array_equal(picture_at(path, 1.0), np.rot90(upright, -degrees // 90))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_stored_turned_with_a_matrix_looks_like_stored_upright(tmp_path: Path, degrees: int) -> None:
    upright = picture_at(write_video(tmp_path / "upright.mp4", [0.0], Recipe()), 0.0)
    lying = np.rot90(draw(0), degrees // 90)
    path = tmp_path / "lying.mp4"
    with av.open(str(path), "w") as out:
        stream = open_video_stream(out, Recipe(height=lying.shape[0], width=lying.shape[1]))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(lying), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 90000)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    found = picture_at(turned(path, tmp_path / "turned.mp4", degrees), 0.0)
    assert found.shape == upright.shape
    a, b = found.ravel().astype(float), upright.ravel().astype(float)
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.995


@pytest.mark.parametrize("how", ["left-right", "up-down"])
def test_a_mirroring_matrix_mirrors(film: Film, tmp_path: Path, how: str) -> None:
    plain = picture_at(film("no_bframes.mp4"))
    expected = plain[:, ::-1] if how == "left-right" else plain[::-1]
    np.testing.assert_array_equal(picture_at(turned(film("no_bframes.mp4"), tmp_path / "mirrored.mp4", how)), expected)


def test_a_picture_too_large_for_memory_is_refused(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DECODER_OPTIONS, "max_pixels", "1000")
    with pytest.raises(VideoError, match="no frame can be decoded"):
        probe(film("no_bframes.mp4"))


def test_wide_pixels_make_a_wider_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", steady_times(1), Recipe(sample_aspect_ratio=Fraction(16, 11)))
    video = probe(path)
    assert (video.width, video.height) == (233, 120)
    assert picture_at(path).shape == (120, 233, 3)
    assert picture_at(path, size=PictureSize(60, "short-side")).shape == (60, 116, 3)
    assert read_code(picture_at(path)) == (15, 0)


def test_wide_pixels_turned_make_a_taller_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", steady_times(1), Recipe(sample_aspect_ratio=Fraction(2)))
    video = probe(turned(path, tmp_path / "turned.mp4", 90))
    assert (video.width, video.height) == (120, 320)
    assert picture_at(video.path).shape == (320, 120, 3)


@pytest.mark.parametrize(
    ("pix_fmt", "codec"),
    [
        ("yuv420p", "libx264"),
        ("yuvj420p", "libx264"),
        ("yuv422p", "libx264"),
        ("yuv444p", "libx264"),
        ("yuv420p10le", "libx264"),
        ("yuv422p10le", "libx264"),
        ("yuv420p10le", "libx265"),
        ("gray", "ffv1"),
        ("bgr0", "ffv1"),
        ("yuv420p", "mpeg2video"),
    ],
)
def test_colours_are_right_in_every_pixel_format(tmp_path: Path, pix_fmt: str, codec: str) -> None:
    path = write_video(tmp_path / "film.mkv", steady_times(0.4), Recipe(codec=codec, pix_fmt=pix_fmt, time_base=None))
    picture = picture_at(path, 0.1).astype(int)
    expected = draw(3).astype(int)
    if pix_fmt == "gray":
        expected = (expected @ [0.299, 0.587, 0.114])[..., None].repeat(3, -1)
    assert np.abs(picture - expected).mean() < 10
    assert read_code(picture) == (3, 0)


def test_a_size_that_changes_midway_is_followed(tmp_path: Path) -> None:
    small, large = (
        write_video(tmp_path / f"{height}.ts", steady_times(1), Recipe(height=height, width=width, bframes=False))
        for height, width in ((120, 160), (180, 240))
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    video = probe(path)
    assert video.duration_s == pytest.approx(2.0)
    first, second = (read.picture for read in read_frames(video, [0.2, 1.5]))
    assert (first.shape, second.shape) == ((120, 160, 3), (180, 240, 3))
    assert [read_code(picture, 120, 160) for picture in (first, second)] == [(6, 0), (15, 0)]


def test_a_thumbnail_is_a_small_upright_jpeg(film: Film, tmp_path: Path) -> None:
    import io

    video = probe(turned(film("no_bframes.mp4"), tmp_path / "turned.mp4", 90))
    image = Image.open(io.BytesIO(thumbnail(video, 1.0, short_side=90)))
    assert (image.format, image.size) == ("JPEG", (90, 120))
    assert read_code(np.asarray(image), 160, 120) == (30, 90)
