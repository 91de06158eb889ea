"""What a run writes beside its checkpoints: its settings and versions, and one line of metrics an epoch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.errors import TrainingError
from coarse_to_fine.training.config import CONTINUABLE, RunConfig


@lru_cache(maxsize=1)
def code_version() -> dict[str, str]:
    """Versions of what computes: the package with a hash over its sources, torch, Python."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        package = version("coarse-to-fine")
    except PackageNotFoundError:
        package = "unknown"
    return {
        "coarse_to_fine": package,
        "sources_sha256": digest.hexdigest(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def settings_document(run: RunConfig, extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """The full settings of a run as plain JSON."""
    return json.loads(json.dumps({"run": run.model_dump(mode="json"), "config": dict(extra or {})}))  # type: ignore[no-any-return]


def check_continues(path: Path, stored: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Raises TrainingError if the checkpoint at `path` is of a run with other settings, naming those that differ.

    More epochs are no difference where the schedule does not depend on their number.
    """
    free = {f"run.{name}" for name in CONTINUABLE}
    run = current["run"]
    if run["schedule"] != "warmup-cosine" and not run["warmup"]:
        free |= {"run.epochs", "run.max_steps"}
    old, new = _flat(stored), _flat(current)
    differing = sorted(name for name in {*old, *new} - free if old.get(name) != new.get(name))
    if differing:
        shown = "; ".join(f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in differing[:5])
        raise TrainingError(
            f"{path} is of another run: {shown}; expected the same settings to go on; restore them or use another "
            "output folder"
        )


class MetricsLog:
    """`metrics.jsonl`: one JSON object a line; lines behind the step of a checkpoint go when a run continues."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines; a line cut by a crash is left out."""
        if not self.path.is_file():
            return []
        found = []
        for text in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
        return found

    def keep_until(self, step: int) -> None:
        """Drop the lines of later steps: the run will write them again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_text_atomically(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def append(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        return {name: value}
    return {
        full: leaf
        for key, item in value.items()
        for full, leaf in _flat(item, f"{name}.{key}" if name else str(key)).items()
    }
