"""The step `coarse`: stage one is trained on the features of the training split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coarse_to_fine.coarse_grained.train import CoarseTraining, train_coarse
from coarse_to_fine.features.training_set import training_examples
from coarse_to_fine.main_pipeline.run_config import Stage, WorldData
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

SAMPLE_SECONDS = 5e-4
"""One sentence with its video, once forwards and backwards."""


class TrainCoarse(Step):
    """Trains the coarse model, or goes on from its last checkpoint."""

    name = "coarse"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("features",)

    def settings(self) -> Mapping[str, Any]:
        return deciding(self._settings())

    def run(self, work: Work) -> None:
        train, validation = features_folder(self.root, "train"), features_folder(self.root, "val")
        if work.torchrun:
            train_by_command("coarse", self._settings(), train, validation, self.folder, work)
            return
        learned = training_examples(train, coarse=True, alternates=True)
        train_coarse(self._settings(), learned, training_examples(validation), self.folder)

    def outputs(self) -> Mapping[str, str]:
        return model_digest(self.folder)

    def cost(self) -> Cost:
        sentences = queries_by_split(self.config)["train"]
        if isinstance(self.config.data, WorldData):
            sentences = WORLD_WORDINGS * sentences + 2 * self.config.data.train
        settings = self._settings()
        size = 16 * settings.recipe.architecture.embed_dim**2
        return training_cost(settings.run, sentences, SAMPLE_SECONDS, size)

    def _settings(self) -> CoarseTraining:
        stage = self.config.coarse
        assert isinstance(stage, Stage), "the step is planned only where there is a stage one"
        return stage_settings(CoarseTraining, stage)
