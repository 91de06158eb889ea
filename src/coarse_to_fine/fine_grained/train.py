"""Training of a fine model: one configuration, examples of two splits, a folder with the trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import ExampleSet, TrainingExample
from coarse_to_fine.features.published.order import check_stream_order
from coarse_to_fine.fine_grained.aligned_start import shared_space, start_aligned
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.mesm.recipe import MesmRecipe
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.qd_detr.loss import QdDetrLossConfig
from coarse_to_fine.fine_grained.qd_detr.training import QdDetrData, QdDetrTargetsConfig, QdDetrTask
from coarse_to_fine.model_folders import save_trained
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
    aligned_to: str | None = Field(
        default=None, description="encoder of the features, in whose shared space clips and words start; none: apart"
    )

    def task(
        self, train: Sequence[TrainingExample], validation: Sequence[TrainingExample]
    ) -> tuple[FineModel, TrainingTask]:
        """A new model with its training task."""
        model = QdDetr(self.architecture)
        if self.aligned_to is not None:
            readers = model.transformer.t2v_encoder.typed_layers()
            start_aligned(model.input_vid_proj, model.input_txt_proj, readers, shared_space(self.aligned_to))
        data = QdDetrData(train, self.architecture, self.targets)
        return model, QdDetrTask(model, data, validation, self.loss)


class FineTraining(BaseModel):
    """Everything that decides a training run of stage two but the examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: QdDetrRecipe | MesmRecipe = Field(discriminator="name", description="the model and its objective")
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
    train: Sequence[TrainingExample],
    validation: Sequence[TrainingExample],
    out: str | Path,
    progress: bool = False,
) -> TrainedFine:
    """Train, or go on where an interrupted run in `out` stopped; the best weights of the validation split are kept.

    Under torchrun every process calls this with the same arguments; the first one writes the files.

    Args:
        config: model, objective and optimisation.
        train, validation: examples of the two splits; selection never sees a test split.
        out: folder of the run; the model goes to `out/model`.
        progress: show a bar with the time left on stderr.

    Raises:
        DataError: the two splits share a video, or features do not fit the architecture.
        TrainingError: a loss is not finite, or `out` holds another run.
    """
    out = Path(out)
    _refuse_shared_videos(train, validation)
    for examples in (train, validation):
        _check_streams(config.recipe, examples)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        model, task = config.recipe.task(train, validation)
    extra = {"recipe": config.recipe.model_dump(mode="json"), "examples": len(train)}
    result = fit(task, config.run, out, extra_config=extra, progress=progress)
    model.cpu().eval()
    folder = out / MODEL_FOLDER
    if result.first_process:
        origin = {**_encoder(train), "run": config.run.model_dump(mode="json"), **extra}
        report = {"best_metrics": result.best_metrics, "best_step": result.best_step, "steps": result.steps}
        save_trained(model, folder, origin, report)
    return TrainedFine(model, folder, result)


def _refuse_shared_videos(train: Sequence[TrainingExample], validation: Sequence[TrainingExample]) -> None:
    shared = _videos(train) & _videos(validation)
    if shared:
        raise DataError(
            f"{len(shared)} videos are in both splits, the first is {min(shared)!r}; expected splits without a common "
            "video; correct the annotations"
        )


def _check_streams(recipe: QdDetrRecipe | MesmRecipe, examples: Sequence[TrainingExample]) -> None:
    """Imported features are in the order of the model's blocks; audio comes last."""
    if isinstance(examples, ExampleSet):
        architecture = recipe.architecture
        audio = architecture.audio_feature_dim if isinstance(architecture, QdDetrConfig) else 0
        widths = [*architecture.video_feature_dims, *([audio] if audio else [])]
        check_stream_order(examples.videos.manifest.encoder, widths, architecture.feature_names)


def _videos(examples: Sequence[TrainingExample]) -> set[str]:
    queries = examples.queries() if isinstance(examples, ExampleSet) else examples
    return {query.video_id for query in queries}


def _encoder(examples: Sequence[TrainingExample]) -> dict[str, Any]:
    """Name and fingerprint of the encoder, where the examples come from a features folder."""
    return {"encoder": dict(examples.videos.manifest.encoder)} if isinstance(examples, ExampleSet) else {}
