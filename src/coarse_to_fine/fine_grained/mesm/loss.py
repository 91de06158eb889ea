"""The training objective of MESM.

Axes: B batch, Q moment queries, L clips, T words, N decoder layers, P clip pairs of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.losses import negative_pair_loss, saliency_margin_loss, saliency_rank_loss
from coarse_to_fine.fine_grained.matching import CostWeights
from coarse_to_fine.fine_grained.mesm.contrast import hulls, moment_sentence_loss, same_moment
from coarse_to_fine.fine_grained.mesm.model import MesmOutput, Sentences
from coarse_to_fine.fine_grained.window_losses import layer_losses, weighted_sum


class MesmLossConfig(BaseModel):
    """Weights of the terms; the first three stand in the matching cost too. Defaults: Charades-STA."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    span: float = Field(default=10.0, ge=0, description="weight of the span distance")
    giou: float = Field(default=1.0, ge=0, description="weight of the overlap term")
    label: float = Field(default=4.0, ge=0, description="weight of the foreground term")
    saliency: float = Field(default=4.0, ge=0, description="weight of the saliency terms")
    rank_divisor: float = Field(default=12.0, gt=0, description="what the ranking term is divided by")
    triplet: bool = Field(default=False, description="whether pairs of clips inside and outside are compared")
    words: float = Field(default=0.1, ge=0, description="weight of guessing words from clips; 0 leaves it out")
    sentences: float = Field(default=0.1, ge=0, description="weight of the contrast of moments and sentences")
    foreign: float = Field(
        default=0.0,
        ge=0,
        description="weight of calling all windows beside a foreign sentence background; 0 in the paper, above it "
        "makes scores comparable across videos",
    )
    background: float = Field(default=0.1, ge=0, description="weight of background queries in the foreground term")
    margin: float = Field(default=0.2, ge=0, description="margin between clips inside and outside")
    temperature: float = Field(default=0.5, gt=0, description="temperature of the ranking term")
    contrast_temperature: float = Field(default=0.5, gt=0, description="temperature of moments against sentences")
    same_overlap: float = Field(default=0.9, description="least GIoU of two moments that count as the same")
    smoothing: float = Field(default=0.1, ge=0, lt=1, description="label smoothing of guessed words")
    auxiliary: bool = Field(default=True, description="whether earlier decoder layers are trained too")


@dataclass(frozen=True, slots=True)
class MesmTargets:
    """What a batch should give.

    Attributes:
        spans: for each sample its true windows, (G, 2) centre and width in [0, 1].
        labels: (B, L) relevance of each clip, 0..12.
        positive, negative: (B, P) clips inside and outside that are compared.
        clip_mask: (B, L) clips of the moment.
        group: (B,) number of the segment that a sample belongs to.
    """

    spans: list[Tensor]
    labels: Tensor
    positive: Tensor
    negative: Tensor
    clip_mask: Tensor
    group: Tensor


def window_losses(output: MesmOutput, targets: MesmTargets, config: MesmLossConfig) -> dict[str, Tensor]:
    """The three window terms of each decoder layer, un-weighted; earlier layers carry their number."""
    weights = CostWeights(config.span, config.giou, config.label)
    return layer_losses(output.logits, output.spans, targets.spans, weights, config.background, config.auxiliary)


def saliency_loss(
    scores: Tensor,
    negative_scores: Tensor,
    mask: Tensor,
    targets: MesmTargets,
    config: MesmLossConfig,
    has_foreign: Tensor | None = None,
) -> Tensor:
    """Ranking and foreign-sentence terms of the saliency curve, and pairs of clips if asked for; un-weighted.

    Args:
        scores: (B, L) saliency beside the own sentence.
        negative_scores: (B, L) saliency of the same videos beside foreign sentences.
        mask: (B, L) True = real clip.
        targets: labels and pairs.
        config: what is added and how.
        has_foreign: (B,) whether a sample has a foreign sentence; None: all do.
    """
    negative_mask = mask if has_foreign is None else mask & has_foreign[:, None]
    labels = targets.labels.to(scores.dtype)
    rank = saliency_rank_loss(scores, negative_scores, labels, mask, config.temperature, negative_mask)
    loss = rank / config.rank_divisor + negative_pair_loss(negative_scores, negative_mask)
    if config.triplet:
        loss = loss + saliency_margin_loss(scores, targets.positive, targets.negative, config.margin)
    return loss


def sentence_loss(clips: Tensor, sentences: Sentences, targets: MesmTargets, config: MesmLossConfig) -> Tensor:
    """Contrast of the moments of a batch, (B, L, D) projected clips, with its sentences; un-weighted."""
    words, mask = sentences.expanded()
    positive = same_moment(hulls(targets.spans).to(clips.device), targets.group, config.same_overlap)
    return moment_sentence_loss(clips, targets.clip_mask, words, mask, positive, config.contrast_temperature)


def foreign_loss(logits: Tensor, has_foreign: Tensor) -> Tensor:
    """Mean cross entropy of calling every window beside a foreign sentence background; not in the paper.

    Args:
        logits: (B, Q, 2) of the pass with foreign sentences.
        has_foreign: (B,) whether a sample has a foreign sentence.
    """
    return (functional.softplus(logits[..., 0] - logits[..., 1]) * has_foreign[:, None]).mean()


def total_loss(losses: dict[str, Tensor], config: MesmLossConfig) -> Tensor:
    """Weighted sum; `class_error` and `words_right` are for the log only."""
    weights = {
        "loss_span": config.span,
        "loss_giou": config.giou,
        "loss_label": config.label,
        "loss_saliency": config.saliency,
        "loss_words": config.words,
        "loss_sentences": config.sentences,
        "loss_foreign": config.foreign,
    }
    return weighted_sum(losses, weights)
