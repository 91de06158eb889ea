"""Three small videos in a library, and hits in them."""

from __future__ import annotations

import pytest

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.types import MomentHit
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video

NAMES = ("one.mp4", "ünï 视频 '\"#%&.mkv", "three.mp4")


@pytest.fixture(scope="session")
def hits_pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hits")
    for number, name in enumerate(NAMES):
        container = "mp4" if name.endswith("mp4") else "matroska"
        write_video(folder / "videos" / name, 6 + 4 * number, number, container)
    with Library.create(folder / "library.ctf", encoder=SmallEncoder()) as library:
        library.add(folder / "videos")
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


@pytest.fixture
def hits(hits_pipeline):
    """One hit in each video, at known times."""
    return [
        MomentHit(video.video_id, video.path, 1.0, 3.0 + place, 0.9 - place / 10, 0.5, 0.2, place + 1, (0.0, 6.0))
        for place, video in enumerate(hits_pipeline.library.videos())
    ]
