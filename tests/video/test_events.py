"""Events in unusual files are found at their times: indexed and searched as a person's folder would be.

Each picture carries its number, and the encoder reads it, so the right answer is known whatever the container does.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.types import MomentHit, TextFeatures
from tests.video.files import Recipe, overwritten, read_code, rewrap, steady_times, turned, write_video
from tests.video.reading import shown_at

SIDE, CLIP = 112, 2.0


class NumberEncoder:
    """`frames 40 to 79` asks for pictures with these numbers; every ten numbers are a direction of their own."""

    name, fingerprint, warning = "numbers", "d" * 64, None
    image_size, embed_dim, token_dim, step = SIDE, 128, 4, 10

    def prepare(self, picture: Tensor) -> Tensor:
        rows, columns = (torch.linspace(0, size - 1, SIDE).long() for size in picture.shape[:2])
        return picture[rows][:, columns].contiguous()

    def encode_images(self, pictures: Tensor) -> Tensor:
        codes = [read_code(picture.numpy()) for picture in pictures]
        assert None not in codes
        return torch.eye(self.embed_dim)[[code[0] // self.step for code in codes if code]]

    def encode_text(self, sentences: list[str]) -> list[TextFeatures]:
        features = []
        for text in sentences:
            _, first, _, last = text.split()
            direction = torch.zeros(self.embed_dim)
            direction[int(first) // self.step : int(last) // self.step + 1] = 1
            features.append(TextFeatures(text, direction, torch.ones(2, 4)))
        return features


def best_hits(path: Path, folder: Path, *spans: tuple[int, int]) -> list[MomentHit]:
    """The first hit of each span of picture numbers."""
    with Library.create(folder / "library.ctf", encoder=NumberEncoder()) as library:
        report = library.add([path], workers=1)
        assert report.failed == ()
        pipeline = Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))
        hits = [pipeline.search(f"frames {first} to {last}", top_moments=1)[0] for first, last in spans]
        duration = library.videos()[0].duration_s
    assert all(0 <= hit.start_s < hit.end_s <= duration for hit in hits)
    return hits


def require_at(hit: MomentHit, start_s: float, end_s: float) -> None:
    assert (hit.start_s, hit.end_s) == (pytest.approx(start_s, abs=CLIP), pytest.approx(end_s, abs=CLIP))


STEADY = steady_times(30, 10)
SLOW = Recipe(rate=Fraction(10), gop=20)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("plain.mp4", SLOW),
        ("plain.mkv", SLOW),
        ("sound.ts", Recipe(rate=Fraction(10), gop=20, sound="mp2")),
        ("one_key.webm", Recipe(codec="libvpx", rate=Fraction(10), gop=9999)),
        ("ten_bit.mp4", Recipe(codec="libx265", pix_fmt="yuv420p10le", rate=Fraction(10), gop=20)),
        ("no_pts.avi", Recipe(rate=Fraction(10), gop=20, time_base=None)),
        ("wide.mp4", Recipe(rate=Fraction(10), gop=20, sample_aspect_ratio=Fraction(16, 11))),
    ],
)
def test_an_event_is_found_at_its_time_in_every_container(tmp_path: Path, name: str, recipe: Recipe) -> None:
    path = write_video(tmp_path / name, STEADY, recipe)
    (hit,) = best_hits(path, tmp_path, (40, 79))
    require_at(hit, 4, 8)


def test_an_event_of_a_late_stream_is_found_at_its_time_in_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.ts", STEADY, Recipe(rate=Fraction(10), gop=20, sound="mp2"))
    (hit,) = best_hits(rewrap(path, tmp_path / "late.ts", shift_s=582.336), tmp_path, (40, 79))
    require_at(hit, 4, 8)


def test_an_event_of_an_upside_down_video_is_found(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", STEADY, SLOW)
    (hit,) = best_hits(turned(path, tmp_path / "turned.mp4", 180), tmp_path, (40, 79))
    require_at(hit, 4, 8)


def test_events_of_an_uneven_rate_are_found_and_also_after_making_it_even(tmp_path: Path) -> None:
    """30 pictures a second for 20 s, then 5: numbers 300 to 419 last from 10 to 14 s, 650 to 669 from 30 to 34 s."""
    times = [*steady_times(20, 30), *(20 + index / 5 for index in range(100))]
    spans = (300, 419), (650, 669)
    uneven = best_hits(write_video(tmp_path / "uneven.mp4", times), tmp_path, *spans)
    for hit, (start_s, end_s) in zip(uneven, [(10, 14), (30, 34)]):
        require_at(hit, start_s, end_s)
    even_times = steady_times(40, 30)
    numbers = shown_at(times, even_times)
    even = write_video(tmp_path / "even.mp4", even_times, numbers=numbers)
    (tmp_path / "even").mkdir()
    again = best_hits(even, tmp_path / "even", *spans)
    assert [(hit.start_s, hit.end_s) for hit in again] == [(hit.start_s, hit.end_s) for hit in uneven]


def test_events_outside_a_hole_are_found_and_the_hole_is_said(tmp_path: Path) -> None:
    recipe = Recipe(rate=Fraction(10), gop=20, container={"movflags": "+faststart"})
    path = write_video(tmp_path / "whole.mp4", steady_times(60, 10), recipe)
    damaged = overwritten(path, tmp_path / "hole.mp4", 20.5 / 60, 2000)
    with Library.create(tmp_path / "other.ctf", encoder=NumberEncoder()) as library:
        ((_, warning),) = library.add([damaged], workers=1).warnings
        (video,) = library.videos()
    assert "lost" in warning
    assert all(start > 16 and end < 26 for start, end in video.lost_s)
    before, after = best_hits(damaged, tmp_path, (40, 79), (400, 439))
    require_at(before, 4, 8)
    require_at(after, 40, 44)


def test_every_picture_is_read_once(tmp_path: Path) -> None:
    """Fails where an encoder would get pictures that are no pictures of the film."""
    path = write_video(tmp_path / "film.mp4", STEADY, SLOW)
    with Library.create(tmp_path / "library.ctf", encoder=NumberEncoder()) as library:
        library.add([path], workers=1)
        (segment,) = library.segment_features(["film#0"])
    assert segment.clips.argmax(dim=1).tolist() == [np.clip(index * 2 + 1, 0, 29) for index in range(15)]
