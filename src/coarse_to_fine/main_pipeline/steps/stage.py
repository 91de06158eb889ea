"""What the steps `coarse` and `fine` have in common; each stays a module of its own, so that the code of one stage
does not decide whether the other is up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import BaseModel

from coarse_to_fine.features.training_set import training_examples
from coarse_to_fine.main_pipeline.run_config import WorldData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.main_pipeline.steps.on_ray import call_on_ray
from coarse_to_fine.main_pipeline.steps.places import features_folder
from coarse_to_fine.main_pipeline.steps.training import (
    deciding,
    model_digest,
    stage_settings,
    train_by_command,
    training_cost,
)
from coarse_to_fine.main_pipeline.video_lengths import WORLD_WORDINGS, captions_by_split, queries_by_split
from coarse_to_fine.model_folders import StoredModel


class TrainStage(Step):
    """Trains the model of a stage, or goes on from its last checkpoint."""

    models: ClassVar[Mapping[str, type[StoredModel]]]
    settings_class: ClassVar[type[BaseModel]]
    train: ClassVar[Callable[..., Any]]
    """train(settings, training examples, validation examples, folder)"""

    reads_captions: ClassVar[bool]
    """Whether it learns from captions of whole videos too."""

    sample_seconds: ClassVar[float]
    """Of one sentence with its video, once forwards and backwards, a parameter of the model."""

    @property
    def needs(self) -> tuple[str, ...]:
        return ("features",)

    def settings(self) -> Mapping[str, Any]:
        return deciding(self._settings())

    def run(self, work: Work) -> None:
        train, validation = (features_folder(self.root.resolve(), split) for split in ("train", "val"))
        if work.torchrun:
            train_by_command(self.name, self._settings(), train, validation, self.folder, work)
            return
        learn = partial(type(self).learn, self._settings(), train, validation, self.folder.resolve())
        if work.ray is None:
            learn()
        else:
            call_on_ray(learn, self.folder, work.ray, work.processes, self.config.workers)

    @classmethod
    def learn(cls, settings: BaseModel, train: Path, validation: Path, folder: Path) -> None:
        """Train on features folders; of several processes each makes this call."""
        learned = training_examples(train, coarse=cls.reads_captions, alternates=True)
        cls.train(settings, learned, training_examples(validation), folder)

    def outputs(self) -> Mapping[str, str]:
        return model_digest(self.folder)

    def cost(self) -> Cost:
        sentences = queries_by_split(self.config)["train"]
        if isinstance(self.config.data, WorldData):
            sentences *= WORLD_WORDINGS
        if self.reads_captions:
            sentences += captions_by_split(self.config)["train"]
        settings: Any = self._settings()
        parameters = self._parameters(settings.recipe)
        return training_cost(settings.run, sentences, self.sample_seconds * parameters, 4 * parameters)

    def _parameters(self, recipe: Any) -> int:
        """Size of the model; nothing is computed for it."""
        with torch.device("meta"):
            model: Any = self.models[recipe.name]
            return sum(value.numel() for value in model(recipe.architecture).parameters())

    def _settings(self) -> BaseModel:
        return stage_settings(self.settings_class, self.config.stages[self.name])
