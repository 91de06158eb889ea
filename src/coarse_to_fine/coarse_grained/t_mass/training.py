"""The objective of T-MASS for the training loop: all pairs of a batch.

Axes: N pairs of a batch, F frames, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from coarse_to_fine.coarse_grained.learning import CoarseLearning, CoarseTask
from coarse_to_fine.coarse_grained.pairs import CoarsePairs
from coarse_to_fine.coarse_grained.recipe import CoarseRecipe
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.loss import t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.stochastic import draw_noise
from coarse_to_fine.training.task import Losses


class TMassLearning(CoarseLearning):
    """How a head learns; none of it changes what a trained head computes."""

    support_weight: float = Field(default=0.8, ge=0, description="weight of the loss of the support texts")
    initial_temperature: float = Field(
        default=0.01, gt=0, description="what cosines are divided by at the start; a trained CLIP ends at 0.01"
    )


class TMassTask(CoarseTask):
    """The head with its pairs."""

    model: TMass

    def __init__(
        self, model: TMass, train: CoarsePairs, validation: CoarsePairs | None, learning: TMassLearning
    ) -> None:
        super().__init__(model, train, validation, learning)
        self._support_weight = learning.support_weight
        with torch.no_grad():
            model.logit_scale.copy_(-torch.tensor(learning.initial_temperature).log())
        model.limit_logit_scale()

    def contrast(self, rows: dict[str, Tensor], generator: torch.Generator) -> Losses:
        text, config = rows["text"], self.model.config
        noise = draw_noise(tuple(text.shape), config.prior, config.prior_std, generator).to(text.device)
        losses = t_mass_loss(self.model(text, rows["frames"], noise), self.model.logit_scale, self._support_weight)
        return Losses(losses.total, {"stochastic": losses.stochastic, "support": losses.support})

    def after_step(self) -> None:
        self.model.limit_logit_scale()


class TMassRecipe(CoarseRecipe):
    """T-MASS and how it learns."""

    name: Literal["t-mass"] = Field(description="the model")
    architecture: TMassConfig = Field(default=TMassConfig(), description="what the trained head computes")
    learning: TMassLearning = Field(default=TMassLearning(), description="objective, batches, validation")

    @property
    def frames(self) -> tuple[int, int]:
        return self.architecture.num_frames, self.architecture.embed_dim

    def task(self, train: CoarsePairs, validation: CoarsePairs) -> tuple[TMass, TMassTask]:
        """A new head with its training task."""
        model = TMass(self.architecture)
        return model, TMassTask(model, train, validation, self.learning)
