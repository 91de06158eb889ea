"""One writer at a time; the lock of a killed one is free, whatever it left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coarse_to_fine.writer_lock import WriterLock

KILLED = """
import os, signal, sys, time
from pathlib import Path
from coarse_to_fine.writer_lock import WriterLock
WriterLock(Path(sys.argv[1])).acquire()
told, tell = os.pipe()
child = os.fork()
if child == 0:
    os.write(tell, b"here")
    time.sleep(60)
    os._exit(0)
os.read(told, 4)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

FORKING = """
import os, sys
from pathlib import Path
from coarse_to_fine.errors import LibraryError
from coarse_to_fine.writer_lock import WriterLock
path = Path(sys.argv[1])
with WriterLock(path) as lock:
    told = path.read_bytes()
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert path.read_bytes() == told
    try:
        WriterLock(path).acquire()
    except LibraryError as error:
        assert f"is being written by process {os.getpid()} on " in str(error)
    else:
        raise AssertionError("two hold the lock")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_that_a_killed_writer_forked_does_not_keep_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    writer = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
    child = int(writer.stdout.readline())
    try:
        writer.wait(30)
        with WriterLock(path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        writer.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_fork_takes_nothing_from_its_parent(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING, tmp_path / "run.lock"], check=True, timeout=30)
    assert (tmp_path / "run.lock").read_bytes() == b""
