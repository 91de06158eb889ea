"""The objective of T-MASS-V2 for the training loop: all pairs of a batch, a few aligned samples of each.

Axes: N pairs of a batch, F frames, S samples of a pair, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from coarse_to_fine.coarse_grained.learning import CoarseLearning, CoarseTask
from coarse_to_fine.coarse_grained.pairs import CoarsePairs
from coarse_to_fine.coarse_grained.recipe import CoarseRecipe
from coarse_to_fine.coarse_grained.t_mass.loss import contrastive_loss, t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.stochastic import draw_noise
from coarse_to_fine.coarse_grained.t_mass_v2.config import TMassV2Config
from coarse_to_fine.coarse_grained.t_mass_v2.model import TMassV2
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.model_folders import build, read_document
from coarse_to_fine.training.task import Losses


class TMassV2Learning(CoarseLearning):
    """How the alignment learns; none of it changes what a trained model computes."""

    start: str | None = Field(default=None, description="folder of the trained T-MASS to begin with; none: a new head")
    phase: Literal["alignment", "all"] = Field(
        default="alignment", description="'alignment': T-MASS stays as it is; 'all': it learns too, with its own loss"
    )
    samples: int = Field(default=4, ge=1, description="random texts of a pair in training; their mean cosine counts")
    support_weight: float = Field(default=0.8, ge=0, description="phase 'all': weight of the support texts' loss")


class TMassV2Task(CoarseTask):
    """The model with its pairs; selected by the re-scored order."""

    model: TMassV2

    def __init__(
        self, model: TMassV2, train: CoarsePairs, validation: CoarsePairs | None, learning: TMassV2Learning
    ) -> None:
        super().__init__(model, train, validation, learning)
        self._learning = learning
        self._frozen = learning.phase == "alignment"
        model.t_mass.requires_grad_(not self._frozen)

    def contrast(self, rows: dict[str, Tensor], generator: torch.Generator) -> Losses:
        text, frames, config = rows["text"], rows["frames"], self.model.config
        shape = (len(text), self._learning.samples, text.shape[1])
        noise = draw_noise(shape, config.prior, config.prior_std, generator).to(text.device)
        scale = self.model.t_mass.logit_scale
        aligned = contrastive_loss(self.model(text, frames, noise, self._frozen).mean(dim=-1), scale)
        if self._frozen:
            return Losses(aligned, {"aligned": aligned})
        head = t_mass_loss(self.model.t_mass(text, frames, noise[:, 0]), scale, self._learning.support_weight)
        return Losses(aligned + head.total, {"aligned": aligned, "t_mass": head.total})

    def after_step(self) -> None:
        self.model.t_mass.limit_logit_scale()


class TMassV2Recipe(CoarseRecipe):
    """T-MASS-V2 and how it learns."""

    name: Literal["t-mass-v2"] = Field(description="the model")
    architecture: TMassV2Config = Field(default=TMassV2Config(), description="what the trained model computes")
    learning: TMassV2Learning = Field(default=TMassV2Learning(), description="start, objective, batches, validation")

    @property
    def frames(self) -> tuple[int, int]:
        return self.architecture.num_frames, self.architecture.embed_dim

    def task(self, train: CoarsePairs, validation: CoarsePairs) -> tuple[TMassV2, TMassV2Task]:
        """A new alignment over the T-MASS head that training begins with.

        Raises:
            WeightsError: `learning.start` is no folder of a trained T-MASS.
            ConfigError: that head has another architecture.
        """
        model = TMassV2(self.architecture)
        if self.learning.start is not None:
            model.t_mass.load_state_dict(self._head(self.learning.start).state_dict())
        return model, TMassV2Task(model, train, validation, self.learning)

    def _head(self, folder: str) -> TMass:
        document = read_document(folder)
        head = build(TMass, document, folder) if document["model"] == TMass.name else None
        if head is None or head.config != self.architecture.t_mass:
            raise ConfigError(
                f"learning.start {folder} holds {document['model']} with {document['config']}, expected t-mass with "
                f"{self.architecture.t_mass.model_dump()}; choose that folder or change recipe.architecture"
            )
        return head
