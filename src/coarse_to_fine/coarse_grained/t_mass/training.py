"""Batches and the objective of T-MASS for the training loop; the encoder is frozen, its features are given.

Axes: N pairs of a batch, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from coarse_to_fine.coarse_grained.pairs import CoarsePairs
from coarse_to_fine.coarse_grained.recipe import CoarseRecipe
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.loss import t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.stochastic import draw_noise
from coarse_to_fine.coarse_grained.validation import retrieval_metrics
from coarse_to_fine.training.task import Batch, ContrastiveTask, Losses, TrainingData


class TMassLearning(BaseModel):
    """How a head learns; none of it changes what a trained head computes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    support_weight: float = Field(default=0.8, ge=0, description="weight of the loss of the support texts")
    distinct: bool = Field(
        default=True,
        description="batches without two pairs of one video or one sentence; false: shuffled pairs, as in the release",
    )
    initial_temperature: float = Field(
        default=0.01, gt=0, description="what cosines are divided by at the start; a trained CLIP ends at 0.01"
    )
    validation_seeds: tuple[int, ...] = Field(
        default=(0, 1, 2), min_length=1, description="seeds of the noise; validation metrics are the mean over them"
    )


class TMassData(TrainingData):
    """Pairs of a sentence and a segment that it describes."""

    def __init__(self, pairs: CoarsePairs, distinct: bool = True) -> None:
        self.pairs, self.distinct = pairs, distinct

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        rows = list(indices)
        data = {
            "text": self.pairs.text[self.pairs.text_of_pair[rows]],
            "frames": self.pairs.frames[self.pairs.segment_of_pair[rows]],
        }
        return Batch(data, [self.pairs.query_ids[row] for row in rows])

    def order(self, batch_size: int, generator: torch.Generator) -> list[list[int]]:
        """Shuffled batches; with `distinct` none holds two pairs of one video or one sentence.

        In such a batch every off-diagonal pair of videos is a negative that the annotation allows. Batches are
        filled first-fit, so the last ones may be short; none holds more pairs than there are videos.
        """
        if not self.distinct:
            return super().order(batch_size, generator)
        shuffled = torch.randperm(len(self), generator=generator)
        videos, texts = self.pairs.video_of_pair[shuffled].tolist(), self.pairs.text_of_pair[shuffled].tolist()
        full: list[list[int]] = []
        filling: list[tuple[list[int], set[int], set[int]]] = []
        for sample, video, text in zip(shuffled.tolist(), videos, texts):
            place = next((own for own in filling if video not in own[1] and text not in own[2]), None)
            if place is None:
                place = ([], set(), set())
                filling.append(place)
            place[0].append(sample)
            place[1].add(video)
            place[2].add(text)
            if len(place[0]) == batch_size:
                full.append(place[0])
                filling.remove(place)
        return full + [samples for samples, _, _ in filling]


class TMassTask(ContrastiveTask):
    """The head with its pairs; selected by R@1 on the validation split, never on a test split."""

    model: TMass
    data: TMassData

    def __init__(
        self, model: TMass, train: CoarsePairs, validation: CoarsePairs | None, learning: TMassLearning
    ) -> None:
        self.model, self.data = model, TMassData(train, learning.distinct)
        self._validation, self._learning = validation, learning
        with torch.no_grad():
            model.logit_scale.copy_(-torch.tensor(learning.initial_temperature).log())
        model.limit_logit_scale()

    def encode(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        return {"text": batch.data["text"], "frames": batch.data["frames"]}

    def contrast(self, rows: dict[str, Tensor], generator: torch.Generator) -> Losses:
        text, config = rows["text"], self.model.config
        noise = draw_noise(tuple(text.shape), config.prior, config.prior_std, generator).to(text.device)
        losses = t_mass_loss(
            self.model(text, rows["frames"], noise), self.model.logit_scale, self._learning.support_weight
        )
        return Losses(losses.total, {"stochastic": losses.stochastic, "support": losses.support})

    def validate(self) -> dict[str, float]:
        if self._validation is None:
            return {}
        return retrieval_metrics(self.model, self._validation, self._learning.validation_seeds)

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

    @property
    def validation_seeds(self) -> tuple[int, ...]:
        return self.learning.validation_seeds

    def task(self, train: CoarsePairs, validation: CoarsePairs) -> tuple[TMass, TMassTask]:
        """A new head with its training task."""
        model = TMass(self.architecture)
        return model, TMassTask(model, train, validation, self.learning)
