"""`ctf library export` and `ctf library merge`."""

from __future__ import annotations

import json

import pytest

from coarse_to_fine import Library
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_videos


@pytest.fixture
def libraries(tmp_path):
    """Two libraries of one encoder that share a file, and one of another encoder."""
    files = write_videos(tmp_path / "videos", 5)
    for name, chosen, seed in (("one", files[:3], 0), ("two", files[2:], 0), ("foreign", files[:1], 1)):
        with Library.create(tmp_path / name, SmallEncoder(seed)) as library:
            library.add(chosen)
    return tmp_path


def stored(path):
    with Library.open(path, read_only=True) as library:
        assert library.check().problems == ()
        return content(library)


def test_an_export_is_the_same_library(ctf, libraries):
    result = ctf("library", "export", libraries / "copy", "--library", libraries / "one", "--json")
    assert result.code == 0
    assert json.loads(result.out) == {"added": ["v000", "v001", "v002"], "skipped": [], "videos_in_library": 3}
    assert stored(libraries / "copy") == stored(libraries / "one")


def test_a_merge_takes_over_what_is_not_here(ctf, libraries):
    other = stored(libraries / "two")
    result = ctf("library", "merge", libraries / "two", "--library", libraries / "one")
    assert result.code == 0
    assert result.out.startswith("2 copied, 1 left out")
    assert "v002.mp4: same content as 'v002', kept once" in result.err
    merged = stored(libraries / "one")
    assert [video["video_id"] for video in merged["videos"]] == [f"v00{number}" for number in range(5)]
    assert other["features"].items() <= merged["features"].items()
    assert stored(libraries / "two") == other
    again = json.loads(ctf("library", "merge", libraries / "two", "--library", libraries / "one", "--json").out)
    assert (again["added"], len(again["skipped"]), again["videos_in_library"]) == ([], 3, 5)


def test_mistakes_change_nothing_and_get_one_line(ctf, libraries):
    before = stored(libraries / "one")
    for arguments in (
        ("export", libraries / "two", "--library", libraries / "one"),
        ("export", libraries / "copy", "--library", libraries / "nothing"),
        ("merge", libraries / "nothing", "--library", libraries / "one"),
        ("merge", libraries / "foreign", "--library", libraries / "one"),
    ):
        result = ctf("library", *arguments)
        assert result.code == 2
        assert len(result.err.strip().splitlines()) == 1
    assert stored(libraries / "one") == before
    assert not (libraries / "copy").exists()
