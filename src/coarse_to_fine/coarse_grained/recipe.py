"""The contract of a coarse model's recipe: from pairs of sentences and segments to a training task."""

from __future__ import annotations

from abc import ABC, abstractmethod

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.learning import CoarseLearning
from coarse_to_fine.coarse_grained.pairs import CoarsePairs
from coarse_to_fine.recipes import Recipe
from coarse_to_fine.training.task import TrainingTask


class CoarseRecipe(Recipe, ABC):
    """The section `recipe` of a training of stage one."""

    learning: CoarseLearning

    @property
    @abstractmethod
    def frames(self) -> tuple[int, int]:
        """Number of coarse frames of a segment and their width, as the architecture expects them."""

    @abstractmethod
    def task(self, train: CoarsePairs, validation: CoarsePairs) -> tuple[CoarseModel, TrainingTask]:
        """A new model with its training task; everything random comes from torch's global generator."""
