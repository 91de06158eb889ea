"""Worker processes end with the process that started them, whatever stops it and when."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coarse_to_fine.worker_processes import WorkerProcesses

FILES = 120
ENDS_WITHIN_S = 10

posix = pytest.mark.skipif(sys.platform == "win32", reason="a group of processes gets Ctrl-C as a signal")


def started(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.interrupted_work", str(folder), str(FILES)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def first_worker(folder: Path, process: subprocess.Popen[str]) -> None:
    before = set(folder.glob("worker-*"))
    while set(folder.glob("worker-*")) == before and process.poll() is None:
        time.sleep(0.01)


def alive(folder: Path) -> list[int]:
    found = []
    for file in folder.glob("worker-*"):
        try:
            os.kill(int(file.name.partition("-")[2]), 0)
            found.append(int(file.name.partition("-")[2]))
        except ProcessLookupError:
            pass
    return found


def end_within(seconds: float, folder: Path) -> None:
    end = time.monotonic() + seconds
    while alive(folder):
        assert time.monotonic() < end, f"workers {alive(folder)} live on"
        time.sleep(0.05)


@posix
def test_stopped_by_hand_at_any_moment_it_ends_quietly_and_goes_on(tmp_path):
    moments = random.Random(4)
    for round_ in range(4):
        process = started(tmp_path)
        first_worker(tmp_path, process)
        time.sleep(moments.uniform(0, 0.8) if round_ else 0)
        for _ in range(1 + round_ % 2):  # a terminal may send it twice
            os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=ENDS_WITHIN_S)
        done = len(list(tmp_path.glob("*.file"))) == FILES  # on a slow machine the signal may come too late
        assert (process.returncode, said) in [(130, ""), *([(0, "")] if done and round_ else [])]
        end_within(1, tmp_path)
    process = started(tmp_path)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert len(list(tmp_path.glob("*.file"))) == FILES


@posix
def test_workers_of_a_killed_process_end(tmp_path):
    process = started(tmp_path)
    first_worker(tmp_path, process)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    end_within(ENDS_WITHIN_S, tmp_path)


def fail(seconds):
    time.sleep(seconds)
    raise ValueError("no such file")


class SlowToArrive:
    """Takes a minute to be read, as modules take long to load on a busy machine."""

    def __reduce__(self):
        return time.sleep, (60,)


def test_processes_that_are_still_starting_end_too():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), WorkerProcesses(2, print, SlowToArrive()) as processes:
        processes.submit(time.sleep, 0)
        time.sleep(1)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 20


def test_an_error_of_a_task_reaches_the_caller_and_ends_the_others():
    began = time.monotonic()
    with pytest.raises(ValueError, match="no such file"), WorkerProcesses(2) as processes:
        processes.submit(time.sleep, 60)
        processes.submit(fail, 0).result()
    assert time.monotonic() - began < 20
