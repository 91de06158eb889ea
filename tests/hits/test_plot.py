"""The plot shows the curve, the moments and the frames where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from coarse_to_fine.errors import UserError, VideoError
from coarse_to_fine.hits.plot import (
    BEST_MOMENT,
    CURVE,
    FRAME_HEIGHT,
    MARGIN,
    TITLE,
    plot_moments,
    save_plot,
    tick_seconds,
)
from coarse_to_fine.types import VideoMoments

TOP = MARGIN + TITLE + FRAME_HEIGHT


@pytest.fixture
def path(hits_pipeline):
    return hits_pipeline.library.video("one").path


def moments(*values, hits=()):
    return VideoMoments(tuple(hits), 2.0, torch.tensor(values))


def blue(image):
    pixels = np.asarray(image).astype(int)
    return (pixels[..., 2] - pixels[..., 0] > 120)[TOP : TOP + CURVE]


@pytest.mark.parametrize(("content", "reason"), [(None, "not where it was"), (b"x", "not a video file")])
def test_a_video_that_cannot_be_read_is_named(tmp_path, content, reason):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=rf"^{path}: .*{reason}"):
        plot_moments(moments(1.0), path)


def test_the_curve_is_high_where_the_saliency_is(path):
    rows, columns = np.nonzero(blue(plot_moments(moments(-1.0, 3.0, 0.5), path)))
    highest = columns[rows.argmin()]
    lowest = columns[rows.argmax()]
    assert abs(highest - 800) < 40  # clip 1 of 3: the middle
    assert lowest < 400


def test_the_best_moment_is_marked_at_its_time(path, hits):
    one = next(hit for hit in hits if hit.video_id == "one")
    image = np.asarray(plot_moments(moments(0.0, 0.0, 0.0, hits=[one]), path))
    marked = np.nonzero((image[TOP + CURVE - 20] == BEST_MOMENT).all(axis=1))[0]
    seconds = (marked[[0, -1]] - MARGIN) / (1600 - 2 * MARGIN) * 6
    assert seconds.tolist() == pytest.approx([one.start_s, one.end_s], abs=0.05)


def test_frames_stand_above_their_time(path):
    """The square of the small videos moves to the right: later frames differ from the first."""
    image = np.asarray(plot_moments(moments(0.0, 1.0, 0.0), path))
    strip = image[MARGIN + TITLE : TOP, MARGIN:-MARGIN].astype(int)
    assert strip.std() > 5
    first, last = strip[:, :150], strip[:, -150:]
    assert np.abs(first - last).mean() > 3


@pytest.mark.parametrize("values", [(), (0.3,), (1.0, 1.0, 1.0), (-5.0, -2.0, -3.0)])
def test_short_flat_and_negative_curves_are_drawn(path, values):
    image = plot_moments(VideoMoments((), 2.0, torch.tensor(values)), path, title="ünï 视频\nline")
    assert image.size == (1600, TOP + CURVE + 44 + MARGIN)
    assert bool(blue(image).any()) == bool(values)


def test_what_the_pipeline_finds_can_be_drawn_and_saved(hits_pipeline, tmp_path):
    hit = hits_pipeline.search("a red square")[0]
    image = plot_moments(hits_pipeline.moments("a red square", hit.video_id), hit.path, shown=hit, width=500)
    for name in ("new/plot.png", "plot.jpg"):
        assert save_plot(image, tmp_path / name).stat().st_size > 1000


def test_mistakes_are_said_in_words(path, tmp_path):
    for width in (-1, 100, 16_001, 10**9):
        with pytest.raises(UserError, match="expected 400 to 16000"):
            plot_moments(moments(0.0), path, width=width)
    with pytest.raises(UserError, match=r"plot\.png"):
        save_plot(plot_moments(moments(0.0), path, width=400), tmp_path / "plot.nothing")
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    with pytest.raises(VideoError):
        plot_moments(moments(0.0), tmp_path / "bad.mp4")


@pytest.mark.parametrize("duration", [0.2, 3, 24, 150, 3600, 7 * 3600, 100 * 3600])
def test_there_are_at_most_ten_steps_on_the_axis(duration):
    assert 1 <= duration / tick_seconds(duration) <= 10.0001 or duration < 0.5
