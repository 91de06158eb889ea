"""Clips that are kept: cut once, those in use longest, nothing left over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from coarse_to_fine.errors import VideoError
from coarse_to_fine.web import media
from coarse_to_fine.web.media import Media


@pytest.fixture
def kept(monkeypatch):
    """A folder of two clips at most, and the calls that cut."""
    monkeypatch.setattr(media, "KEPT_CLIPS", 2)
    made = Media()
    yield made
    made.close()


def cutting(calls, name):
    def cut(target):
        calls.append(name)
        target.write_bytes(name.encode())
        return target

    return cut


def test_the_clip_that_was_asked_for_last_stays(kept):
    calls = []
    for name in ("a", "b", "a", "c", "a"):
        assert kept._made(name, cutting(calls, name)).read_text() == name
    assert calls == ["a", "b", "c"]


def test_a_clip_is_cut_once_for_all_who_ask_at_once(kept):
    calls = []
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: kept._made("a", cutting(calls, "a")), range(40)))
    assert calls == ["a"]
    assert len(set(paths)) == 1


def test_nothing_is_left_of_clips_that_were_asked_for_or_failed(kept):
    def fail(target):
        raise VideoError("no such stretch")

    for number in range(10):
        kept._made(str(number % 2), cutting([], "x"))
        with pytest.raises(VideoError):
            kept._made(f"failed {number}", fail)
    assert kept._making == {}
