"""Batches and losses of QD-DETR for the training loop.

Axes: B batch, L clips, T words, P clip pairs of an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.batching import random_batches_by_length
from coarse_to_fine.fine_grained.examples import refuse_not_finite, refuse_untrainable
from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.objective import (
    DetectorLossConfig,
    foreign_loss,
    saliency_loss,
    total_loss,
    window_losses,
)
from coarse_to_fine.fine_grained.qd_detr.config import QdDetrConfig
from coarse_to_fine.fine_grained.qd_detr.features import clip_rows, word_rows
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.qd_detr.negatives import negative_memory, next_foreign, rolled
from coarse_to_fine.fine_grained.targets import WindowTargets, window_targets
from coarse_to_fine.fine_grained.validation import METRICS, moment_metrics
from coarse_to_fine.fine_grained.window_losses import matched_pairs, whole_step
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.training.task import Batch, Losses, TrainingData, TrainingTask


class QdDetrTargetsConfig(FrozenConfig):
    """How targets are made; none of it changes what a trained model computes."""

    saliency: Literal["middle", "lighthouse", "annotated"] = Field(
        default="middle",
        description="which clips are relevant: those whose middle is in a window, Lighthouse's rule, or annotators'",
    )
    span_length: Literal["duration", "clips"] = Field(
        default="duration", description="what spans are fractions of; clips = clips * clip length, as in the releases"
    )
    group_lengths: bool = Field(
        default=False, description="whether videos of similar length are batched together; saves padding"
    )
    negatives: Literal["other-video", "official"] = Field(
        default="other-video",
        description="foreign sentences: the next of another video and text, or the next whatever it is",
    )


@dataclass(frozen=True, slots=True)
class QdDetrBatch:
    """Padded inputs and targets; `foreign` is the example whose words are the negative of each."""

    video: Tensor
    video_mask: Tensor
    text: Tensor
    text_mask: Tensor
    targets: WindowTargets
    foreign: Tensor
    has_foreign: Tensor


class QdDetrData(TrainingData):
    """Samples as padded batches; the random choices (clip pairs, more than five windows) come from the generator."""

    def __init__(
        self, examples: Sequence[TrainingExample], architecture: QdDetrConfig, targets: QdDetrTargetsConfig
    ) -> None:
        refuse_untrainable(examples)
        self.examples, self.architecture, self.targets = examples, architecture, targets
        self._lengths: list[int] | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def order(self, batch_size: int, generator: torch.Generator) -> list[list[int]]:
        """Random batches; with `targets.group_lengths` of videos of similar length."""
        if not self.targets.group_lengths:
            return super().order(batch_size, generator)
        if self._lengths is None:
            self._lengths = [len(example.segment.clips) for example in self.examples]
        return random_batches_by_length(self._lengths, batch_size, generator)

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        examples = [self.examples[index] for index in indices]
        for example in examples:
            refuse_not_finite(example)
        video, video_mask = pad_rows([clip_rows(example.segment.clips, self.architecture) for example in examples])
        text, text_mask = pad_rows([word_rows(example.text.tokens, self.architecture) for example in examples])
        clips = video_mask.sum(1).tolist()
        targets = window_targets(examples, clips, self.targets.saliency, self.targets.span_length, generator)
        if self.targets.negatives == "official":
            foreign, has_foreign = rolled(len(examples)), torch.ones(len(examples), dtype=torch.bool)
        else:
            foreign, has_foreign = next_foreign(
                [example.video_id for example in examples], [example.text.text for example in examples]
            )
        pairs = matched_pairs(targets.spans, self.architecture.queries)
        data = QdDetrBatch(video, video_mask, text, text_mask, targets, foreign, has_foreign)
        return Batch(data, [example.query_id for example in examples], {"pairs": float(pairs)})


class QdDetrTask(TrainingTask):
    """The shared objective of detectors with its negative pass, and moment metrics on the validation examples."""

    model: QdDetr
    data: QdDetrData
    metric_names = METRICS

    def __init__(
        self, model: QdDetr, data: QdDetrData, validation: Sequence[TrainingExample], loss: DetectorLossConfig
    ) -> None:
        self.model, self.data, self.validation, self.loss = model, data, validation, loss

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        data: QdDetrBatch = batch.data
        model, targets = self.model, data.targets
        clips, words = model.input_vid_proj(data.video), model.input_txt_proj(data.text)
        output = model.detect(clips, data.video_mask, words, data.text_mask)
        memory = negative_memory(model, clips, data.video_mask, words, data.text_mask, data.foreign, self._official)
        losses = window_losses(output.logits, output.spans, targets, self.loss)
        losses["loss_saliency"] = saliency_loss(
            output.saliency, model.saliency(memory), data.video_mask, targets, self.loss, data.has_foreign
        )
        if self.loss.foreign:
            losses["loss_foreign"] = foreign_loss(self._foreign_logits(memory.clips, data.video_mask), data.has_foreign)
        losses = whole_step(losses, batch, matched_pairs(targets.spans, output.logits.shape[2]))
        return Losses(total_loss(losses, self.loss), losses)

    def validate(self) -> dict[str, float]:
        return moment_metrics(self.model, self.validation)

    @property
    def _official(self) -> bool:
        return self.data.targets.negatives == "official"

    def _foreign_logits(self, clips: Tensor, video_mask: Tensor) -> Tensor:
        model = self.model
        position = video_position_code(video_mask, model.config.hidden_dim)
        anchors = model.query_embed.weight.expand(len(clips), -1, -1)
        logits: Tensor = model.class_embed(model.transformer.decoder(anchors, clips, position, video_mask).hidden[-1])
        return logits
