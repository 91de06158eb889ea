"""Indexes mutated video files with `ctf index` in a process of its own: `python -m tests.video.fuzz_index OUT N SEED`.

Files come in batches of BATCH through one library, as a user's folder would. One line of JSON a batch: exit code, CPU
seconds, counts, and the reasons of the failures; the parent looks at the lines and at the exit code of the process.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import time
from pathlib import Path

import torch

from coarse_to_fine.cli.main import run
from tests.video.fuzz import mutations, write_seeds

BATCH = 20


def index(folder: Path, library: Path) -> tuple[int, str, str]:
    """Exit code, output and error stream of `ctf index`."""
    sys.argv = ["ctf", "index", str(folder), "--library", str(library), "--workers", "1", "--json"]
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 99
    return code, out.getvalue(), err.getvalue()


def main(folder: Path, count: int, seed: int) -> None:
    torch.set_num_threads(1)
    seeds = write_seeds(folder / "seeds")
    mutated = mutations([path.read_bytes() for path in seeds], count, seed)
    for first in range(0, count, BATCH):
        batch = folder / "batch"
        batch.mkdir()
        for number, (kind, which, data) in zip(range(first, min(first + BATCH, count)), mutated):
            (batch / f"{number}-{kind}{seeds[which].suffix}").write_bytes(data)
        started = time.process_time()
        code, out, err = index(batch, folder / "library.ctf")
        report = json.loads(out) if code in (0, 1) else {"error": err}
        print(json.dumps({"code": code, "seconds": round(time.process_time() - started, 2), "report": report}))
        sys.stdout.flush()
        shutil.rmtree(batch)


if __name__ == "__main__":
    Path(sys.argv[1], "seeds").mkdir()
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
