"""Events in long videos are found once, at their time, wherever segments begin and end; real files, both stages."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.types import MomentHit, TextFeatures

ROWS, COLUMNS = 4, 5
EVENTS = ROWS * COLUMNS
CELL = 16


class GridEncoder:
    """A picture is the brightness of its 4 x 5 cells; `light 7` means that cell 7 is bright."""

    name, image_size, token_dim, embed_dim, warning = "grid", 20, 4, EVENTS, None
    fingerprint = "a" * 64

    def prepare(self, picture: Tensor) -> Tensor:
        pooled = adaptive_avg_pool2d(picture.permute(2, 0, 1).float(), (20, 20))
        return pooled.round().to(torch.uint8).permute(1, 2, 0).contiguous()

    def encode_images(self, pictures: Tensor) -> Tensor:
        gray = pictures.permute(0, 3, 1, 2).float().mean(dim=1, keepdim=True) / 255
        return adaptive_avg_pool2d(gray, (ROWS, COLUMNS)).flatten(1) + 0.01

    def encode_text(self, sentences: list[str]) -> list[TextFeatures]:
        rows = torch.eye(EVENTS)
        return [TextFeatures(text, rows[int(text.split()[-1])], torch.ones(2, 4)) for text in sentences]


def write_lights(path: Path, seconds: int, events: dict[int, tuple[int, int]], seed: int = 0) -> Path:
    """One picture a second; light `number` is bright from its start to its end, all else is dim and flickers."""
    generator = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = COLUMNS * CELL, ROWS * CELL, "yuv420p"
        for second in range(seconds):
            cells = generator.integers(60, 80, (ROWS, COLUMNS))
            for number, (start, end) in events.items():
                if start <= second < end:
                    cells[divmod(number, COLUMNS)] = 250
            picture = np.kron(cells, np.ones((CELL, CELL)))[..., None].repeat(3, axis=2).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path


def overlap(hit: MomentHit, start: float, end: float) -> float:
    common = max(0.0, min(hit.end_s, end) - max(hit.start_s, start))
    return common / (hit.end_s - hit.start_s + end - start - common)


def open_pipeline(library: Library) -> Pipeline:
    return Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


@pytest.mark.parametrize(
    ("start", "end"),
    [(680, 696), (142, 158), (112, 128), (262, 278), (122, 148), (0, 14), (706, 720)],
    ids=[
        "at 11:20",
        "over a border",
        "over a beginning",
        "over the next border",
        "inside the overlap",
        "first",
        "last",
    ],
)
def test_the_only_event_of_twelve_minutes_is_found_once_at_its_time(tmp_path: Path, start: int, end: int):
    write_lights(tmp_path / "videos" / "long.mp4", 720, {7: (start, end)})
    write_lights(tmp_path / "videos" / "other.mp4", 60, {3: (20, 40)}, seed=1)
    with Library.create(tmp_path / "library.ctf", encoder=GridEncoder()) as library:
        library.add(tmp_path / "videos")
        hits = open_pipeline(library).search("light 7", top_moments=30)
        assert hits[0].video_id == "long"
        assert overlap(hits[0], start, end) >= 0.7, [(hit.start_s, hit.end_s, hit.score) for hit in hits[:5]]
        own = [hit for hit in hits if hit.video_id == "long"]
        again = [hit for hit in own[1:] if overlap(hit, own[0].start_s, own[0].end_s) > 0.7]
        assert not again, [(hit.start_s, hit.end_s, hit.score) for hit in again]
        assert sum(overlap(hit, start, end) > 0.8 for hit in own) == 1


def test_an_event_that_fills_the_overlap_of_two_segments_is_found(tmp_path: Path):
    """Both segments cut it, so its borders cannot be known from either."""
    write_lights(tmp_path / "videos" / "long.mp4", 300, {7: (120, 150)})
    with Library.create(tmp_path / "library.ctf", encoder=GridEncoder()) as library:
        library.add(tmp_path / "videos")
        hits = open_pipeline(library).search("light 7", top_moments=5)
        assert overlap(hits[0], 120, 150) > 0.3


def test_in_forty_minutes_recall_does_not_depend_on_where_an_event_lies(tmp_path: Path):
    """Twenty events, spread so that they fall on, before and behind every kind of border."""
    events = {
        number: (number * 119 + 40 + 7 * (number % 5), number * 119 + 56 + 7 * (number % 5)) for number in range(20)
    }
    write_lights(tmp_path / "videos" / "long.mp4", 2400, events)
    for other in range(4):
        write_lights(tmp_path / "videos" / f"other{other}.mp4", 90, {}, seed=2 + other)
    with Library.create(tmp_path / "library.ctf", encoder=GridEncoder()) as library:
        library.add(tmp_path / "videos")
        assert len(library.segments("long")) == 20
        found = open_pipeline(library).search_many([f"light {number}" for number in events], top_moments=5)
    missed = {
        number: (span, [(hit.start_s, hit.end_s) for hit in hits[:3]])
        for (number, span), hits in zip(events.items(), found)
        if hits[0].video_id != "long" or overlap(hits[0], *span) < 0.7
    }
    assert not missed
