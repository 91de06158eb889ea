"""What the coarse models have in common when they learn: pairs in batches, and what selects; the encoder is frozen.

Axes: N pairs of a batch, F frames, D width.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.pairs import CoarsePairs
from coarse_to_fine.coarse_grained.validation import METRICS, retrieval_metrics
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.training.task import Batch, ContrastiveTask, TrainingData
from coarse_to_fine.wording import counted


class CoarseLearning(FrozenConfig):
    """How a model learns; none of it changes what a trained model computes."""

    distinct: bool = Field(
        default=True,
        description="batches without two pairs of one video or one sentence; false: shuffled pairs, as in the release",
    )
    validation_seeds: tuple[int, ...] = Field(
        default=(0, 1, 2), min_length=1, description="seeds of the noise; validation metrics are the mean over them"
    )


class PairData(TrainingData):
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


def require_others(pairs: CoarsePairs, batch_size: int, distinct: bool) -> None:
    """Check that batches can hold two pairs to tell apart; otherwise the loss and its gradient say nothing.

    Args:
        pairs: of the training split.
        batch_size: pairs of a step.
        distinct: see `CoarseLearning`; without it the segments of one video are told apart too.

    Raises:
        ConfigError: batches of one pair.
        DataError: all pairs share their video (not `distinct`: their segment) or their sentence.
    """
    if batch_size < 2:
        raise ConfigError(
            f"run.batch_size is {batch_size}; expected 2 or more, as a pair learns from the others of its batch; set "
            "run.batch_size to 32"
        )
    sources = pairs.video_of_pair if distinct else pairs.segment_of_pair
    for rows, one in ((sources, "video" if distinct else "segment"), (pairs.text_of_pair, "sentence")):
        if bool((rows == rows[0]).all()):
            raise DataError(
                f"the training split has {counted(len(pairs), 'pair')} of 1 {one}; expected 2 {one}s or more, as a "
                f"pair learns from the others of its batch; add {one}s"
            )


class CoarseTask(ContrastiveTask, ABC):
    """A model with its pairs; selected by R@1 on the validation split, never on a test split."""

    model: CoarseModel
    data: PairData

    def __init__(
        self, model: CoarseModel, train: CoarsePairs, validation: CoarsePairs | None, learning: CoarseLearning
    ) -> None:
        self.model, self.data = model, PairData(train, learning.distinct)
        self._validation, self._validation_seeds = validation, learning.validation_seeds
        self.metric_names = METRICS if validation is not None else ()

    def encode(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        return {"text": batch.data["text"], "frames": batch.data["frames"]}

    def validate(self) -> dict[str, float]:
        if self._validation is None:
            return {}
        return retrieval_metrics(self.model, self._validation, self._validation_seeds)
