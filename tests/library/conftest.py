"""Options and fixtures of the library's tests."""

from __future__ import annotations

import pytest

from coarse_to_fine import Library
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_videos


@pytest.fixture
def encoder():
    return SmallEncoder()


@pytest.fixture
def folder(tmp_path):
    """A folder with five videos."""
    write_videos(tmp_path / "videos", 5)
    return tmp_path / "videos"


@pytest.fixture
def library(tmp_path, encoder):
    with Library.create(tmp_path / "library.ctf", encoder) as opened:
        yield opened


@pytest.fixture
def filled(library, folder):
    report = library.add(folder)
    assert len(report.added) == 5
    return library


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=4, help="how often the tests of killed writers kill (default 4)")
