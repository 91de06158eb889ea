"""Mutated containers through `ctf index`: no crash, no hang, one line for each file that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.video.fuzz_index import BATCH

ROOT = Path(__file__).parents[2]
BATCH_CPU_SECONDS = 30
"""A batch ends within this, so no file takes longer; most take 0.1 s."""

LONGEST_LINE = 400


def indexed(folder: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """The report of each batch; a crash of the indexing process fails the test."""
    command = [sys.executable, "-m", "tests.video.fuzz_index", str(folder), str(count), str(seed)]
    run = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=200 + 3 * count)
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert run.returncode == 0, f"after {len(lines)} batches of {BATCH}: {run.stderr[-2000:]}"
    return lines


def require_orderly(batches: list[dict[str, Any]], count: int) -> None:
    seen = 0
    for batch in batches:
        assert batch["code"] in (0, 1), batch
        assert batch["seconds"] < BATCH_CPU_SECONDS, batch
        report = batch["report"]
        seen += len(report["added"]) + len(report["failed"]) + len(report["skipped"])
        assert (batch["code"] == 1) == bool(report["failed"] or report["failed_before"])
        for failure in report["failed"]:
            assert "\n" not in failure["reason"], failure
            assert len(failure["reason"]) < LONGEST_LINE, failure
            assert not failure["reason"].startswith("unexpected"), failure
    assert seen == count


def test_mutated_files_are_indexed_or_fail_in_one_line(tmp_path: Path) -> None:
    batches = indexed(tmp_path, BATCH, seed=5)
    require_orderly(batches, BATCH)
    assert any(batch["report"]["failed"] for batch in batches)
    assert any(batch["report"]["added"] for batch in batches)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_mutated_files_are_indexed_or_fail_in_one_line(tmp_path: Path, fuzz_files: int, fuzz_seed: int) -> None:
    """`--fuzz 10000` for the long run."""
    require_orderly(indexed(tmp_path, fuzz_files, fuzz_seed), fuzz_files)
