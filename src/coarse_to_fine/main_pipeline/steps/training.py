"""What both training steps share: settings from a file, hashes of the model, and a launcher for several processes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.config import load_config
from coarse_to_fine.errors import TrainingError
from coarse_to_fine.main_pipeline.fingerprints import files_digest
from coarse_to_fine.main_pipeline.run_config import Stage
from coarse_to_fine.main_pipeline.steps.base import Cost, Work
from coarse_to_fine.model_folders import CONFIG_FILE, WEIGHTS_FILE
from coarse_to_fine.shipped_configs import find_config
from coarse_to_fine.training.config import CONTINUABLE, RunConfig

Settings = TypeVar("Settings", bound=BaseModel)

SETTINGS_FILE = "settings.json"
COPIES = 5
"""Of the weights that a run leaves: the best ones, the last ones with two of the optimiser, and the model."""


def stage_settings(model_class: type[Settings], stage: Stage) -> Settings:
    """The settings of a stage's training: its file, its overrides, its seed.

    Raises:
        ConfigError: the file cannot be read, or a value is unknown or out of range.
    """
    assert stage.config is not None, "a stage without a training configuration is not trained"
    seed = () if stage.seed is None else (f"run.seed={stage.seed}",)
    return load_config(model_class, find_config(stage.config), (*_overrides(stage.set), *seed))


def _overrides(values: Mapping[str, Any], above: str = "") -> list[str]:
    """Nested values as `outer.inner=value`."""
    found = []
    for name, value in values.items():
        inner = isinstance(value, Mapping) and value
        found += _overrides(value, f"{above}{name}.") if inner else [f"{above}{name}={json.dumps(value)}"]
    return found


def deciding(settings: BaseModel) -> dict[str, Any]:
    """The settings that decide the trained weights, as plain values."""
    values: dict[str, Any] = settings.model_dump(mode="json")
    run = {name: value for name, value in values["run"].items() if name not in CONTINUABLE}
    return {**values, "run": run | {"patience": values["run"]["patience"]}}


def model_digest(folder: Path) -> Mapping[str, str]:
    """The hash of a trained model."""
    return {"model": files_digest([folder / "model" / CONFIG_FILE, folder / "model" / WEIGHTS_FILE], folder)}


def training_cost(run: RunConfig, samples: float, sample_seconds: float, parameter_bytes: float) -> Cost:
    """Time by the number of samples that are seen, disk by the size of the model."""
    steps = run.epochs * math.ceil(samples / run.batch_size)
    seen = min(steps, run.max_steps or steps) * run.batch_size
    return Cost(seen * sample_seconds, COPIES * parameter_bytes)


def train_by_command(stage: str, settings: BaseModel, train: Path, validation: Path, folder: Path, work: Work) -> None:
    """`ctf train` in the processes that the launcher starts; each goes on where a killed call stopped.

    Raises:
        TrainingError: it ended with an error, which it has printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS_FILE
    write_text_atomically(path, json.dumps(settings.model_dump(mode="json"), indent=1) + "\n")
    command = [*launched(work.torchrun), "-m", "coarse_to_fine", "train", stage, "--config", str(path)]
    command += ["--train", str(train), "--validation", str(validation), "--out", str(folder)]
    work.note(" ".join(command))
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode:
        raise TrainingError(
            f"{' '.join(work.launcher)} ended with exit code {done.returncode}; expected 0; see its message above and "
            "run again: the training goes on from its last checkpoint"
        )


def launched(launcher: tuple[str, ...]) -> list[str]:
    """The launcher as a command of this Python, which has the package.

    Without options all processes are on this machine, one a GPU.
    """
    options = list(launcher[1:]) or ["--standalone", "--nproc-per-node", "auto"]
    return [sys.executable, "-m", "torch.distributed.run", *options]
