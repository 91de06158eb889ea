"""Indexing on a local Ray of two workers: the same library, and nothing lost when a worker is killed."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from coarse_to_fine import Library
from coarse_to_fine.errors import UserError
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_video, write_videos

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class DeadlyEncoder(SmallEncoder):
    """Kills the process of the first worker that uses it; the mark says that it did."""

    def __init__(self, mark: Path, always: bool = False):
        super().__init__()
        self._mark, self._always, self._home = mark, always, os.getpid()
        self.fingerprint = hashlib.sha256(str(mark).encode()).hexdigest()  # workers keep an encoder by it

    def encode_images(self, pictures):
        if os.getpid() != self._home and (self._always or not self._mark.exists()):
            self._mark.write_text(str(os.getpid()), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_images(pictures)


@pytest.fixture(scope="module")
def cluster():
    """Ray with two workers that can import these tests."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        try:
            ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
        except Exception as error:  # Ray raises the bare class
            if "timed out" not in str(error):
                raise
            pytest.skip("the machine is too busy to start Ray in time")
        yield
    finally:
        ray.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@pytest.fixture
def mixed(tmp_path):
    """Videos, a copy of one, and files that are none."""
    folder = tmp_path / "videos"
    files = write_videos(folder, 12)
    (folder / "copy.mp4").write_bytes(files[3].read_bytes())
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "cut.mp4").write_bytes(files[0].read_bytes()[:700])
    write_video(folder / "sub" / "v001.mp4", 170.0, 77)
    return folder


def built(path, encoder, folder, **values):
    with Library.create(path, encoder) as library:
        report = library.add(folder, **values)
        assert library.check().problems == ()
        return report, content(library)


def test_the_library_is_that_of_a_local_run(cluster, mixed, tmp_path):
    report, there = built(tmp_path / "ray.ctf", SmallEncoder(), mixed, ray="auto")
    expected_report, here = built(tmp_path / "here.ctf", SmallEncoder(), mixed)
    assert there == here
    assert report == expected_report
    assert len(report.added) == 13
    assert len(report.failed) == 2


def test_a_killed_worker_loses_nothing(cluster, mixed, tmp_path):
    mark = tmp_path / "killed"
    report, there = built(tmp_path / "ray.ctf", DeadlyEncoder(mark), mixed, ray="auto")
    assert mark.exists()
    assert int(mark.read_text(encoding="utf-8")) != os.getpid()
    expected_report, here = built(tmp_path / "here.ctf", SmallEncoder(), mixed)
    assert there == here
    assert report == expected_report


def test_a_file_that_kills_every_worker_is_one_failure_that_is_tried_again(cluster, tmp_path):
    write_videos(tmp_path / "videos", 1)
    with Library.create(tmp_path / "ray.ctf", DeadlyEncoder(tmp_path / "mark", always=True)) as library:
        report = library.add(tmp_path / "videos", ray="auto")
        assert report.added == ()
        assert "its worker ended" in report.failed[0].reason
        assert len(library.add(tmp_path / "videos").added) == 1


def test_an_address_without_a_cluster_is_one_line(tmp_path):
    ray.shutdown()
    write_videos(tmp_path / "videos", 1)
    with Library.create(tmp_path / "ray.ctf", SmallEncoder()) as library:
        with pytest.raises(UserError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
            library.add(tmp_path / "videos", ray="127.0.0.1:1")
        assert len(library) == 0
        assert len(library.add(tmp_path / "videos").added) == 1
