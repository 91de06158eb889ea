"""Several processes at one library: readers beside a writer, two writers, locks left behind, folders without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from coarse_to_fine import Library
from coarse_to_fine.errors import LibraryError
from coarse_to_fine.writer_lock import WriterLock
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder
from tests.library.small_videos import write_videos

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

HOLD = """
import sys, time
from pathlib import Path
from coarse_to_fine.writer_lock import WriterLock
WriterLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def file_size_limit(limit: int):
    """Files may not grow past a size, which looks like a full disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_rights():
    """Not root for a while, who may write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_readers_work_while_a_writer_writes(filled, folder, tmp_path):
    write_videos(tmp_path / "more", 40, first_seed=100)
    before = content(filled)["features"]
    stop = threading.Event()
    problems = []

    def write():
        try:
            with Library.open(filled.path, SmallEncoder()) as writer:
                for _ in range(2):
                    writer.add(tmp_path / "more")
                    writer.compact()
                    writer.remove(tmp_path / "more")
                    writer.compact()
        except Exception as error:  # of a thread nobody would hear
            problems.append(error)
        finally:
            stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    with Library.open(filled.path, read_only=True) as reader:
        while not stop.is_set():
            frames = {key: row for ids, rows in reader.frames_matrix() for key, row in zip(ids, rows)}
            features = reader.segment_features(list(before))
            for one in features:
                same = before[one.segment_id] == (one.frames.numpy().tobytes(), one.clips.numpy().tobytes())
                if not same or not torch.equal(frames[one.segment_id].float(), one.frames):
                    problems.append(one.segment_id)
            reads += 1
    writer.join()
    assert problems == []
    assert reads > 3
    assert content(filled)["features"] == before


def test_generation_tells_a_reader_of_changes_by_others(filled, folder):
    with Library.open(filled.path, read_only=True) as reader:
        before = reader.generation
        assert reader.generation == before
        filled.remove("v001")
        assert reader.generation > before
        assert "v001" not in [video.video_id for video in reader.videos()]


def test_map_of_a_removed_block_stays_valid(filled):
    ((ids, frames),) = filled.frames_matrix()
    copy = frames.clone()
    filled.remove([video.video_id for video in filled.videos()])
    assert list((filled.path / "blocks").iterdir()) == []
    assert torch.equal(frames, copy)
    assert len(ids) == 5


def test_second_writer_is_told_who_holds_the_lock(filled, folder):
    with WriterLock(filled.path / "writer.lock"):
        with pytest.raises(LibraryError, match=f"is being written by process {os.getpid()} on .* since ") as caught:
            filled.add(folder)
        assert len(filled.videos()) == 5
    assert "\n" not in str(caught.value)
    assert len(filled.add(folder).skipped) == 5


@posix
def test_lock_of_a_killed_process_is_taken_over(filled, folder):
    lock = filled.path / "writer.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(LibraryError, match=f"process {holder.pid} on"):
                filled.add(folder)
        finally:
            holder.kill()
    assert str(holder.pid) in lock.read_text()
    assert len(filled.add(folder).skipped) == 5


@posix
def test_read_only_folder_is_searchable_and_refuses_to_be_written(filled, folder):
    top = Path(tempfile.mkdtemp())
    before = content(filled)
    filled.close()
    try:
        shutil.copytree(filled.path, top / "library")
        for path in [top, top / "library", *(top / "library").rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        with without_rights(), Library.open(top / "library", SmallEncoder()) as library:
            assert content(library) == before
            with pytest.raises(LibraryError, match="cannot be written") as caught:
                library.remove("v001")
        assert "\n" not in str(caught.value)
    finally:
        for path in [top, *top.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(top)


@posix
@pytest.mark.parametrize("limit", [0, 4096, 8192])
def test_full_disk_keeps_what_is_stored(filled, tmp_path, limit):
    write_videos(tmp_path / "more", 20, first_seed=100)
    before = content(filled)
    with pytest.raises(LibraryError, match="cannot be written") as caught, file_size_limit(limit):
        filled.add(tmp_path / "more")
    assert "kept" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert content(filled) == before
    assert len(filled.add(tmp_path / "more").added) == 20
    assert len(list((filled.path / "blocks").iterdir())) == filled.info().blocks


def test_read_only_library_refuses_to_write(filled, folder):
    with Library.open(filled.path, read_only=True) as reader:
        for write in (lambda: reader.add(folder), lambda: reader.remove("v001"), reader.compact):
            with pytest.raises(LibraryError, match="reading only"):
                write()
