"""Progress of a run for people: a bar on stderr, events for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from coarse_to_fine.errors import ConfigError


class ProgressBar:
    """A bar over all steps with the time left and a line an epoch; silent unless shown."""

    def __init__(self, shown: bool, total: int, done: int) -> None:
        self._bar: Any = None
        if shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("left"))
            loss = TextColumn("loss {task.fields[loss]:.4f}")
            self._bar = Progress(*columns, TimeRemainingColumn(), loss, console=Console(stderr=True))
            self._task = self._bar.add_task("training", total=total, completed=done, loss=float("nan"))

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, loss: float) -> None:
        """One step more."""
        if self._bar is not None:
            self._bar.update(self._task, advance=1, loss=loss)

    def note(self, text: str) -> None:
        """Print a line above the bar, in a log too on one line."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Print what an epoch gave."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in line["validation"].items())
        self.note(f"epoch {line['epoch']}  loss {line['loss']:.4f}  {shown}")


class EventWriter:
    """Scalars for TensorBoard; does nothing without a folder.

    Points that an earlier start wrote from `first_step` on do not count: this one writes them again.
    """

    def __init__(self, folder: Path | None, first_step: int) -> None:
        self._writer: Any = None
        if folder is None:
            return
        if find_spec("tensorboard") is None:
            raise ConfigError(
                "tensorboard is true, but the package tensorboard is missing; install it or set it to false"
            )
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def write(self, values: Mapping[str, float], step: int) -> None:
        """One point of each curve."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def close(self) -> None:
        """Write what is waiting and end."""
        if self._writer is not None:
            self._writer.close()
