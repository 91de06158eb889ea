"""The contract of a fine model's recipe: from examples to a new model with its training task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.feature_blocks import FeatureBlocks
from coarse_to_fine.recipes import Recipe
from coarse_to_fine.training.task import TrainingTask


class FineRecipe(Recipe, ABC):
    """The section `recipe` of a training of stage two."""

    architecture: FeatureBlocks

    @abstractmethod
    def task(
        self, train: Sequence[TrainingExample], validation: Sequence[TrainingExample]
    ) -> tuple[FineModel, TrainingTask]:
        """A new model with its training task; everything random comes from torch's global generator."""
