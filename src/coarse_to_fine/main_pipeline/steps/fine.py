"""The step `fine`: stage two is trained on the features of the training split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coarse_to_fine.features.training_set import training_examples
from coarse_to_fine.fine_grained.train import FineTraining, train_fine
from coarse_to_fine.main_pipeline.run_config import WorldData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.main_pipeline.steps.places import features_folder
from coarse_to_fine.main_pipeline.steps.training import (
    deciding,
    model_digest,
    stage_settings,
    train_by_command,
    training_cost,
)
from coarse_to_fine.main_pipeline.video_lengths import WORLD_WORDINGS, queries_by_split

SAMPLE_SECONDS = 6e-8
"""One sentence with its video, once forwards and backwards, a unit of width squared and layer."""

LAYERS = 6


class TrainFine(Step):
    """Trains the fine model, or goes on from its last checkpoint."""

    name = "fine"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("features",)

    def settings(self) -> Mapping[str, Any]:
        return deciding(self._settings())

    def run(self, work: Work) -> None:
        train, validation = features_folder(self.root, "train"), features_folder(self.root, "val")
        if work.torchrun:
            train_by_command("fine", self._settings(), train, validation, self.folder, work)
            return
        learned = training_examples(train, alternates=True)
        train_fine(self._settings(), learned, training_examples(validation), self.folder)

    def outputs(self) -> Mapping[str, str]:
        return model_digest(self.folder)

    def cost(self) -> Cost:
        sentences = queries_by_split(self.config)["train"]
        if isinstance(self.config.data, WorldData):
            sentences *= WORLD_WORDINGS
        settings = self._settings()
        size = LAYERS * settings.recipe.architecture.hidden_dim**2
        return training_cost(settings.run, sentences, SAMPLE_SECONDS * size, 4 * 12 * size)

    def _settings(self) -> FineTraining:
        return stage_settings(FineTraining, self.config.fine)
