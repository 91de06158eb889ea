"""Training of a fine model: one configuration, samples of two splits, a folder with the trained model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.qd_detr.loss import QdDetrLossConfig
from coarse_to_fine.fine_grained.qd_detr.training import QdDetrData, QdDetrTargetsConfig, QdDetrTask
from coarse_to_fine.fine_grained.samples import FineSample
from coarse_to_fine.fine_grained.storage import save_fine
from coarse_to_fine.training.config import RunConfig
from coarse_to_fine.training.loop import FitResult, fit
from coarse_to_fine.training.task import TrainingTask

MODEL_FOLDER = "model"


class QdDetrRecipe(BaseModel):
    """QD-DETR and how it learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["qd-detr"] = Field(description="the model")
    architecture: QdDetrConfig = Field(default=QdDetrConfig(), description="what the trained model computes")
    targets: QdDetrTargetsConfig = Field(default=QdDetrTargetsConfig(), description="how targets are made")
    loss: QdDetrLossConfig = Field(default=QdDetrLossConfig(), description="weights of the objective")

    def task(self, train: Sequence[FineSample], validation: Sequence[FineSample]) -> tuple[FineModel, TrainingTask]:
        """A new model with its training task."""
        model = QdDetr(self.architecture)
        data = QdDetrData(train, self.architecture, self.targets)
        return model, QdDetrTask(model, data, validation, self.loss)


class FineTraining(BaseModel):
    """Everything that decides a training run of stage two but the samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: QdDetrRecipe = Field(description="the model and its objective")
    run: RunConfig = Field(
        default=RunConfig(clip_norm=0.1, epochs=200, select="mAP"), description="optimisation, seeds, selection"
    )


@dataclass(frozen=True, slots=True)
class TrainedFine:
    """A finished training: the model with its best weights, where it was stored, and how the run ended."""

    model: FineModel
    folder: Path
    result: FitResult


def train_fine(
    config: FineTraining,
    train: Sequence[FineSample],
    validation: Sequence[FineSample],
    out: str | Path,
    progress: bool = False,
) -> TrainedFine:
    """Train, or go on where an interrupted run in `out` stopped; the best weights of the validation split are kept.

    Args:
        config: model, objective and optimisation.
        train, validation: samples of the two splits; selection never sees a test split.
        out: folder of the run; the model goes to `out/model`.
        progress: show a bar with the time left on stderr.
    """
    out = Path(out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        model, task = config.recipe.task(train, validation)
    extra = {"recipe": config.recipe.model_dump(mode="json"), "samples": len(train)}
    result = fit(task, config.run, out, extra_config=extra, progress=progress)
    model.cpu().eval()
    folder = out / MODEL_FOLDER
    save_fine(model, folder)
    report = {"best_metrics": result.best_metrics, "best_step": result.best_step, "steps": result.steps}
    (folder / "training.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return TrainedFine(model, folder, result)
