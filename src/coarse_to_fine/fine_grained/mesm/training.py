"""The objective of MESM for the training loop.

Axes: B batch, V segments of the batch, L clips, T words, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.layers.positions import video_position_code
from coarse_to_fine.fine_grained.mesm.batches import MesmBatch, MesmData
from coarse_to_fine.fine_grained.mesm.contrast import guessed_words_accuracy, guessed_words_loss
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.mesm.loss import MesmLossConfig, sentence_loss
from coarse_to_fine.fine_grained.mesm.masked_words import guess_words
from coarse_to_fine.fine_grained.mesm.model import Sentences
from coarse_to_fine.fine_grained.objective import foreign_loss, saliency_loss, total_loss, window_losses
from coarse_to_fine.fine_grained.validation import METRICS, moment_metrics
from coarse_to_fine.fine_grained.window_losses import matched_pairs, whole_step
from coarse_to_fine.training.task import Batch, Losses, TrainingTask


class MesmTask(TrainingTask):
    """Windows, saliency with foreign sentences, guessed words, moments against sentences; validated by moments."""

    model: Mesm
    metric_names = METRICS

    def __init__(
        self, model: Mesm, data: MesmData, validation: Sequence[TrainingExample], loss: MesmLossConfig
    ) -> None:
        self.model, self.data, self.validation, self.loss = model, data, validation, loss

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        data: MesmBatch = batch.data
        model, targets = self.model, data.targets
        clips, words = model.input_vid_proj(data.video), model.input_txt_proj(data.text)
        position = video_position_code(data.video_mask, model.config.hidden_dim)
        sentences = Sentences(words, data.text_mask, self._summaries(data))
        output = model.detect(clips, data.video_mask, sentences)
        losses = window_losses(output.logits, output.spans, targets, self.loss)
        losses |= self._foreign_losses(data, clips, sentences, position, output.saliency)
        if self.loss.sentences:
            losses["loss_sentences"] = sentence_loss(clips, sentences, targets, self.loss)
        if self.loss.words and data.words is not None:
            losses |= self._word_losses(data, clips, words, position)
        losses = whole_step(losses, batch, matched_pairs(targets.spans, output.logits.shape[2]))
        return Losses(total_loss(losses, self.loss), losses)

    def validate(self) -> dict[str, float]:
        return moment_metrics(self.model, self.validation)

    def _summaries(self, data: MesmBatch) -> Tensor | None:
        """The summary of each row's segment, (B, D), computed once a segment.

        The clips are projected anew, so that they have a draw of dropout of their own, as in the release.
        """
        group = data.targets.group
        first = torch.stack([torch.nonzero(group == number)[0, 0] for number in range(int(group.max()) + 1)])
        summary = self.model.summarise(self.model.input_vid_proj(data.video[first]), data.video_mask[first])
        return None if summary is None else summary[group]

    def _foreign_losses(
        self, data: MesmBatch, clips: Tensor, sentences: Sentences, position: Tensor, saliency: Tensor
    ) -> dict[str, Tensor]:
        """The clips again, beside the sentence and the summary of another video."""
        model = self.model
        memory = model.encode(clips, data.video_mask, sentences.chosen(data.foreign), position)
        scores = model.saliency(memory)
        losses = {
            "loss_saliency": saliency_loss(saliency, scores, data.video_mask, data.targets, self.loss, data.has_foreign)
        }
        if self.loss.foreign:
            anchors = model.query_embed.weight.expand(len(clips), -1, -1)
            decoded = model.transformer.decoder(anchors, memory.clips, position, data.video_mask)
            losses["loss_foreign"] = foreign_loss(model.class_embed(decoded.hidden[-1]), data.has_foreign)
        return losses

    def _word_losses(self, data: MesmBatch, clips: Tensor, words: Tensor, position: Tensor) -> dict[str, Tensor]:
        assert data.words is not None
        mask, classes = data.text_mask, data.words.classes
        logits = guess_words(self.model, words, mask, data.words, clips, position, data.targets.clip_mask)
        return {
            "loss_words": guessed_words_loss(logits, classes, mask, self.loss.smoothing),
            "words_right": guessed_words_accuracy(logits, classes, mask),
        }
