"""`~` is the home folder in whatever a library is given; shells leave it in `--library=~/videos.ctf`."""

from __future__ import annotations

import pytest

from coarse_to_fine import Library
from coarse_to_fine.library.absolute import absolute


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def test_a_library_and_its_videos_are_found_in_the_home_folder(home, folder, encoder):
    with Library.create("~/own.ctf", encoder) as library:
        assert library.path == home / "own.ctf"
        report = library.add({"~/videos/v000.mp4": "first", "~/videos/v001.mp4": "second"})
        assert len(report.added) == 2
        library.export("~/copy.ctf")
        assert library.remove("~/videos/v000.mp4") == ["first"]
    for name, count in (("~/own.ctf", 1), ("~/copy.ctf", 2)):
        with Library.open(name, encoder) as opened:
            assert len(opened) == count
    assert not any((home / "elsewhere").iterdir())


def test_other_names_stay_as_they_are(home):
    assert absolute("a~/b") == home / "elsewhere" / "a~" / "b"
    assert absolute("./~") == home / "elsewhere" / "~"
    (home / "link").symlink_to(home / "elsewhere")
    assert absolute(home / "link" / "x") == home / "link" / "x"
