"""A picture of a run: loss over the epochs, and the validation metric that selects."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coarse_to_fine.atomic_files import write_atomically


def draw_curve(path: Path, lines: Sequence[Mapping[str, Any]], select: str | None) -> bool:
    """Write a PNG from the lines of `metrics.jsonl`; does nothing and returns False without matplotlib or lines."""
    if not lines or find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    figure.subplots_adjust(left=0.12, right=0.88, bottom=0.13, top=0.95)
    left = figure.subplots()
    epochs = [line["epoch"] for line in lines]
    left.plot(epochs, [line["loss"] for line in lines], color="tab:blue", marker=".", label="training loss")
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color="tab:blue")
    evaluated = [line for line in lines if select is not None and select in line["validation"]]
    if evaluated:
        right = left.twinx()
        values = [line["validation"][select] for line in evaluated]
        right.plot([line["epoch"] for line in evaluated], values, color="tab:orange", marker="o")
        right.set_ylabel(f"validation {select}", color="tab:orange")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_atomically(path, content.getvalue())
    return True
