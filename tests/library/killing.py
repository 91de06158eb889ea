"""Kills writers of a library at random moments and watches that nothing is wrong or lost.

Run as a program, because it forks: `python -m tests.library.killing FOLDER LIBRARY REFERENCE KILLS SEED SECONDS`.
REFERENCE is a library of the same videos that was never disturbed, SECONDS how long an undisturbed run takes here:
kills come within that time, on a fast machine and on a slow one. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from coarse_to_fine import Library
from tests.library.contents import content
from tests.library.small_encoder import SmallEncoder


def stored(path) -> dict[str, tuple[bytes, bytes]]:
    with Library.open(path, SmallEncoder(), read_only=True) as library:
        report = library.check()
        assert report.problems == (), report.problems
        return content(library)["features"]


def kill_while(operation, path, delay_s: float) -> bool:
    """Run an operation in a child and kill it after a while; whether it was still at work."""
    child = os.fork()
    if child == 0:
        with Library.open(path, SmallEncoder()) as library:
            operation(library)
        os._exit(0)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def kill_adding(folder: Path, path: Path, kills: int, dice: random.Random, longest_s: float) -> int:
    """Kill `add` again and again; returns how many kills came in time."""
    hits = 0
    for _ in range(kills):
        leave_work(path, dice)
        before = stored(path)
        hits += kill_while(lambda library: library.add(folder), path, dice.uniform(0.1, 0.8) * longest_s)
        after = stored(path)
        assert before.items() <= after.items()
    return hits


def leave_work(path: Path, dice: random.Random) -> None:
    """Take most of the stored videos out, so that the next run has something to do."""
    with Library.open(path, SmallEncoder()) as library:
        ids = [video.video_id for video in library.videos()]
        if ids:
            library.remove(dice.sample(ids, (9 * len(ids) + 9) // 10))


def kill_anything(folder: Path, path: Path, reference: dict, kills: int, dice: random.Random, longest_s: float) -> int:
    """Kill add, remove and compact in random order; every entry must be right, and none may be lost or come back."""
    hits = 0
    for _ in range(kills):
        before = stored(path)
        videos = sorted({segment_id.rpartition("#")[0] for segment_id in before})
        chosen = dice.sample(videos, dice.randint(0, len(videos) // 2))
        operation = dice.choice(["add", "remove", "compact"])
        run = {
            "add": lambda library: library.add(folder),
            "remove": lambda library, chosen=chosen: library.remove(chosen),
            "compact": lambda library: library.compact(),
        }[operation]
        hits += kill_while(run, path, dice.uniform(0.002, longest_s if operation == "add" else 0.03))
        after = stored(path)
        assert after.items() <= reference.items()
        if operation == "add":
            assert before.items() <= after.items()
        elif operation == "compact":
            assert before == after
        else:
            rest = {key: value for key, value in before.items() if key.rpartition("#")[0] not in chosen}
            assert after in (before, rest)
    return hits


def main() -> None:
    torch.set_num_threads(1)
    folder, path, undisturbed = map(Path, sys.argv[1:4])
    kills, dice, longest_s = int(sys.argv[4]), random.Random(int(sys.argv[5])), float(sys.argv[6])
    reference = stored(undisturbed)
    Library.create(path, SmallEncoder()).close()
    adding = kill_adding(folder, path, kills, dice, longest_s)
    anything = kill_anything(folder, path, reference, kills, dice, longest_s)
    print(json.dumps({"kills": 2 * kills, "killed_at_work": adding + anything}))


if __name__ == "__main__":
    main()
