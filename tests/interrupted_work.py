"""A program that is stopped: `python -m tests.interrupted_work FOLDER COUNT` writes files by two worker processes."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import as_completed
from pathlib import Path

from coarse_to_fine.atomic_files import write_atomically
from coarse_to_fine.worker_processes import WorkerProcesses

RESULT_BYTES = 20_000_000
"""More than a pipe takes at once: a worker is often stopped while it sends."""


def note_start(folder: Path) -> None:
    (folder / f"worker-{os.getpid()}").touch()


def work(file: Path) -> bytes:
    time.sleep(0.05)
    write_atomically(file, b"done")
    return bytes(RESULT_BYTES)


def main(folder: Path, count: int) -> None:
    missing = [file for file in (folder / f"{number}.file" for number in range(count)) if not file.exists()]
    with WorkerProcesses(2, note_start, folder) as processes:
        for job in as_completed([processes.submit(work, file) for file in missing]):
            assert len(job.result()) == RESULT_BYTES


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
