"""What a step of the experiment is: settings, inputs, work, results, and what it will cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from coarse_to_fine.errors import DataError
from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.wording import counted

Progress = Callable[[int, int, str], None]
"""progress(done, total, what): called after each item."""

Note = Callable[[str], None]
"""Takes one line for a person."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step takes: seconds on two CPU cores, bytes on disk. Estimates, right within a factor of two or three."""

    seconds: float
    bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a step is given while it works.

    Attributes:
        progress: called after each item.
        note: takes lines for a person.
        launcher: `torchrun` with its options starts trainings in several processes; `ray` with an address and a number
            of processes trains and builds libraries on a cluster; empty: all runs here.
    """

    progress: Progress
    note: Note
    launcher: tuple[str, ...] = ()

    @property
    def torchrun(self) -> tuple[str, ...]:
        """The command of several processes; empty where there is none."""
        return self.launcher if self.launcher[:1] == ("torchrun",) else ()

    @property
    def ray(self) -> str | None:
        """Address of the cluster; `auto` is the one that runs on this machine."""
        return (self.launcher[1:] or ("auto",))[0] if self.launcher[:1] == ("ray",) else None

    @property
    def processes(self) -> int | None:
        """How many train on that cluster; None: one a GPU."""
        return int(self.launcher[2]) if self.ray is not None and len(self.launcher) > 2 else None


def refuse_failed(split: str, failed: Sequence[tuple[str, str]]) -> None:
    """Raise DataError if videos of a split failed, each with its reason; numbers on the rest would be other numbers."""
    if failed:
        name, reason = failed[0]
        raise DataError(
            f"{split}: {counted(len(failed), 'video')} failed, the first is {name}: {reason}; expected every video of "
            "the split to be readable; repair them, or remove their files and set data.missing=drop, then run again"
        )


class Step(ABC):
    """One step; it writes below its own folder only, and a call that was killed is simply repeated."""

    name: ClassVar[str]
    """Also the name of its folder."""

    def __init__(self, config: RunFile, root: Path) -> None:
        self.config = config
        self.root = root

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def incremental(self) -> bool:
        """Whether it sees by itself which of its input files are new or changed, so that its folder is kept when only
        those differ."""
        return False

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Names of the steps whose results it reads."""

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The part of the configuration that decides its result, as plain values."""

    def inputs(self) -> Mapping[str, str]:
        """Hashes of the files from outside that it reads, by name."""
        return {}

    @abstractmethod
    def run(self, work: Work) -> None:
        """Do it, or go on where a killed call stopped."""

    @abstractmethod
    def outputs(self) -> Mapping[str, str]:
        """Hashes of what it has left, by name; cheap."""

    @abstractmethod
    def cost(self) -> Cost:
        """What it takes from nothing."""
