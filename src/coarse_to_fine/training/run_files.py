"""The folder of a run: what is in it, and where the run stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coarse_to_fine.atomic_files import remove_leftovers
from coarse_to_fine.errors import TrainingError
from coarse_to_fine.training.checkpoints import read_tensors, write_json, write_tensors
from coarse_to_fine.training.optimisers import load_optimizer_tensors, optimizer_tensors
from coarse_to_fine.training.records import MetricsLog, check_continues, code_version


@dataclass
class Position:
    """All of a run's state that is not a tensor.

    Attributes:
        step: optimiser steps done.
        epoch, index: the next batch, from 0.
        sums, summed: sums of the scalars over the steps of this epoch so far, and their number.
        best_value: value of the selecting metric at its best (negated where low is good); None before the first.
        best_step, best_metrics: the evaluation it comes from.
        waited: evaluations since; whether patience ends the run follows from it, so that patience may change.
        seconds: time spent in steps.
    """

    step: int = 0
    epoch: int = 0
    index: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0
    best_value: float | None = None
    best_step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    seconds: float = 0.0


class RunFiles:
    """Reads and writes the files of one run.

    Attributes:
        last: the checkpoint to go on from.
        best: weights alone, under the names of the model's state dict.
        log: one line an epoch.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.last, self.best = folder / "last.safetensors", folder / "best.safetensors"
        self.log = MetricsLog(folder / "metrics.jsonl")
        self._settings = settings

    def load_last(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
        """Put the last checkpoint into model and optimiser; the start if there is none.

        Raises:
            TrainingError: it is of a run with other settings or of another model.
        """
        if not self.last.is_file():
            return Position()
        tensors, state = read_tensors(self.last)
        check_continues(self.last, state["settings"], self._settings)
        self._load(self.last, model, _with_prefix(tensors, "model/"))
        load_optimizer_tensors(optimizer, _with_prefix(tensors, "optimizer/"))
        state["position"].pop("stopped_early", None)  # stored by earlier versions
        return Position(**state["position"])

    def open(self, step: int, surroundings: Mapping[str, Any]) -> None:
        """Clear what an earlier start left behind the step, and write `run.json`."""
        remove_leftovers(self.folder)
        self.log.keep_until(step)
        write_json(self.folder / "run.json", {**self._settings, "version": code_version(), **surroundings})

    def save_last(self, model: nn.Module, optimizer: torch.optim.Optimizer, position: Position) -> None:
        """Replace the checkpoint to go on from."""
        tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
        tensors |= {f"optimizer/{name}": tensor for name, tensor in optimizer_tensors(optimizer).items()}
        state = {"position": asdict(position), "settings": self._settings, "version": code_version()}
        write_tensors(self.last, tensors, state)

    def save_best(self, model: nn.Module, position: Position) -> None:
        """Replace the best weights by the present ones."""
        state = {"step": position.step, "metrics": position.best_metrics, "settings": self._settings}
        write_tensors(self.best, model.state_dict(), {**state, "version": code_version()})

    def load_best(self, model: nn.Module) -> None:
        """Put the best weights into the model."""
        weights, _ = read_tensors(self.best)
        self._load(self.best, model, weights)

    def _load(self, path: Path, model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise TrainingError(
                f"{path}: weights of another model ({reason}); use the same model or another output folder"
            ) from None


def _with_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
