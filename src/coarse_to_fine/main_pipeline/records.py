"""What is known about a step: made of what, finished or only begun, with which results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.file_hashes import sha256_of_values

STATE = "state"


@dataclass(frozen=True, slots=True)
class MadeOf:
    """Everything that decides what a step makes.

    Attributes:
        settings: its part of the configuration.
        inputs: hashes of files from outside, by name.
        needs: hashes of the results of earlier steps, by step.
        code: hash of the sources that it runs.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    needs: Mapping[str, Mapping[str, str]]
    code: str

    @property
    def fingerprint(self) -> str:
        return sha256_of_values(asdict(self))

    def differs(self, other: MadeOf, any_code: bool = False) -> list[str]:
        """What differs, in words; empty where the result is the same."""
        found = [f"setting {name}" for name in _changed(_plain(self.settings), _plain(other.settings))]
        found += [f"file {name}" for name in _changed(self.inputs, other.inputs)]
        found += [f"result of {name}" for name in _changed(self.needs, other.needs)]
        return found + (["code"] if self.code != other.code and not any_code else [])


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The state of a step on disk.

    Attributes:
        status: `begun` until its result is complete.
        made_of: what it was begun with.
        outputs: hashes of its results, by name; empty while it is only begun.
        seconds: time of the call that finished it.
        finished: when, ISO 8601 in UTC.
    """

    status: Literal["begun", "done"]
    made_of: MadeOf
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    finished: str = ""


def read_record(root: Path, step: str) -> StepRecord | None:
    """The record of a step; None where there is none, or one that cannot be read."""
    try:
        values = json.loads((root / STATE / f"{step}.json").read_text(encoding="utf-8"))
        return StepRecord(**{**values, "made_of": MadeOf(**values["made_of"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(root: Path, step: str, record: StepRecord) -> None:
    """Replace the record of a step; whole or not at all."""
    folder = root / STATE
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n"
    write_text_atomically(folder / f"{step}.json", text)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: tuples are lists."""
    return dict(json.loads(json.dumps(values)))


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
