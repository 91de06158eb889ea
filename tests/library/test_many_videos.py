"""No limit is found after hours: what holds for a few videos holds for 70 000 that are stored by their features."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from benchmarks.open_library import described, make

from coarse_to_fine import Library, Pipeline

VIDEOS = 70_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "many.ctf"
    make(path, VIDEOS)
    return path


@pytest.mark.slow
def test_every_video_is_listed_searched_and_named(many: Path):
    with Library.open(many, read_only=True, device="cpu") as library:
        assert len(library) == len(library.videos()) == len(library.segments()) == VIDEOS
        ids = [described(number).video_id for number in range(VIDEOS)]
        assert len(library.segment_features([f"{video_id}#0" for video_id in ids[:40_000]])) == 40_000
        pipeline = Pipeline.load(library, coarse="t-mass", fine="similarity", device="cpu")
        assert len(pipeline.search("a red mug falls", top_videos=10)) > 0
        assert pipeline.search("a red mug falls", top_videos=10, among=ids[-1:])[0].video_id == ids[-1]


def test_all_but_one_are_removed(many: Path, tmp_path: Path):
    shutil.copytree(many, tmp_path / "own.ctf")
    with Library.open(tmp_path / "own.ctf", device="cpu") as library:
        library.remove([described(number).video_id for number in range(2, VIDEOS)])
        library.remove(described(1).path)
        library.compact()
        assert [video.video_id for video in library.videos()] == [described(0).video_id]
        assert library.check().problems == ()


@pytest.mark.slow
def test_all_are_exported(many: Path, tmp_path: Path):
    with Library.open(many, read_only=True, device="cpu") as library:
        library.export(tmp_path / "copy.ctf")
    with Library.open(tmp_path / "copy.ctf", read_only=True, device="cpu") as library:
        assert len(library) == VIDEOS
        assert library.check().problems == ()
