"""The training objective of MESM: the shared one of detectors, guessed words, and moments against sentences.

Axes: B batch, L clips, T words, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field
from torch import Tensor

from coarse_to_fine.fine_grained.mesm.contrast import hulls, moment_sentence_loss, same_moment
from coarse_to_fine.fine_grained.mesm.model import Sentences
from coarse_to_fine.fine_grained.objective import DetectorLossConfig
from coarse_to_fine.fine_grained.targets import WindowTargets


class MesmLossConfig(DetectorLossConfig):
    """Weights of the terms. Defaults: Charades-STA."""

    saliency: float = Field(default=4.0, ge=0, description="weight of the saliency terms")
    triplet: bool = Field(default=False, description="whether pairs of clips inside and outside are compared")
    words: float = Field(default=0.1, ge=0, description="weight of guessing words from clips; 0 leaves it out")
    sentences: float = Field(default=0.1, ge=0, description="weight of the contrast of moments and sentences")
    contrast_temperature: float = Field(default=0.5, gt=0, description="temperature of moments against sentences")
    same_overlap: float = Field(default=0.9, description="least GIoU of two moments that count as the same")
    smoothing: float = Field(default=0.1, ge=0, lt=1, description="label smoothing of guessed words")

    @property
    def weights(self) -> Mapping[str, float]:
        """Weight of each term by its name in the log."""
        return {**super().weights, "loss_words": self.words, "loss_sentences": self.sentences}


@dataclass(frozen=True)
class MesmTargets(WindowTargets):
    """What a batch should give.

    Attributes:
        clip_mask: (B, L) clips of the moment.
        group: (B,) number of the segment that a sample belongs to.
    """

    clip_mask: Tensor
    group: Tensor


def sentence_loss(clips: Tensor, sentences: Sentences, targets: MesmTargets, config: MesmLossConfig) -> Tensor:
    """Contrast of the moments of a batch, (B, L, D) projected clips, with its sentences; un-weighted."""
    words, mask = sentences.expanded()
    positive = same_moment(hulls(targets.spans).to(clips.device), targets.group, config.same_overlap)
    return moment_sentence_loss(clips, targets.clip_mask, words, mask, positive, config.contrast_temperature)
