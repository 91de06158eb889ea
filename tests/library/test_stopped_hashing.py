"""A stop by hand while contents are hashed does not wait for the files that are not being read yet."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from coarse_to_fine.library import planning
from coarse_to_fine.library.changes import FileState


def test_a_stop_does_not_wait_for_all_files(monkeypatch):
    read = []

    def stopped(path):
        read.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "sha256_of", stopped)
    empty = SimpleNamespace(videos=list, failures=list, copies=list)
    files = [FileState(f"/v/{number}.mp4", size=1, mtime_ns=1) for number in range(20_000)]
    with pytest.raises(KeyboardInterrupt):
        planning.settle(empty, files, retry_failed=False, workers=1)
    assert len(read) < len(files)
