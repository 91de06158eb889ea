"""The training objective of QD-DETR.

Axes: B batch, Q moment queries, L clips, N decoder layers, P clip pairs of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.losses import negative_pair_loss, saliency_margin_loss, saliency_rank_loss
from coarse_to_fine.fine_grained.matching import CostWeights
from coarse_to_fine.fine_grained.qd_detr.model import QdDetrOutput
from coarse_to_fine.fine_grained.window_losses import layer_losses, weighted_sum


class QdDetrLossConfig(BaseModel):
    """Weights of the terms; the same three weights stand in the matching cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    span: float = Field(default=10.0, ge=0, description="weight of the span distance")
    giou: float = Field(default=1.0, ge=0, description="weight of the overlap term")
    label: float = Field(default=4.0, ge=0, description="weight of the foreground term")
    saliency: float = Field(default=1.0, ge=0, description="weight of the saliency terms")
    foreign: float = Field(
        default=0.0,
        ge=0,
        description="weight of calling all windows beside a foreign sentence background; 0 in the paper, above it "
        "makes scores comparable across videos",
    )
    background: float = Field(default=0.1, ge=0, description="weight of background queries in the foreground term")
    rank_divisor: float = Field(
        default=12.0, gt=0, description="what the ranking term is divided by; 1 where clips are relevant or not"
    )
    foreign_clips: float = Field(
        default=1.0, ge=0, description="weight, within the saliency terms, of low scores beside a foreign sentence"
    )
    margin: float = Field(default=0.2, ge=0, description="margin between clips inside and outside")
    temperature: float = Field(default=0.5, gt=0, description="temperature of the ranking term")
    auxiliary: bool = Field(default=True, description="whether earlier decoder layers are trained too")


@dataclass(frozen=True)
class Targets:
    """What a batch should give.

    Attributes:
        spans: for each sample its true windows, (G, 2) centre and width in [0, 1].
        labels: (B, L) relevance of each clip, 0..12.
        positive, negative: (B, P) clips inside and outside that are compared.
    """

    spans: list[Tensor]
    labels: Tensor
    positive: Tensor
    negative: Tensor


def window_losses(output: QdDetrOutput, targets: Targets, config: QdDetrLossConfig) -> dict[str, Tensor]:
    """The three window terms of each decoder layer, un-weighted; earlier layers carry their number."""
    weights = CostWeights(config.span, config.giou, config.label)
    return layer_losses(output.logits, output.spans, targets.spans, weights, config.background, config.auxiliary)


def saliency_loss(
    scores: Tensor,
    negative_scores: Tensor,
    mask: Tensor,
    targets: Targets,
    config: QdDetrLossConfig,
    has_foreign: Tensor | None = None,
) -> Tensor:
    """Margin, ranking and foreign-sentence terms of the saliency curve, un-weighted.

    Args:
        scores: (B, L) saliency beside the own sentence.
        negative_scores: (B, L) saliency of the same videos beside foreign sentences.
        mask: (B, L) True = real clip.
        has_foreign: (B,) whether a sample has a foreign sentence; None: all do.
    """
    negative_mask = mask if has_foreign is None else mask & has_foreign[:, None]
    rank = saliency_rank_loss(
        scores, negative_scores, targets.labels, mask, config.temperature, negative_mask=negative_mask
    )
    margin = saliency_margin_loss(scores, targets.positive, targets.negative, config.margin)
    foreign = negative_pair_loss(negative_scores, negative_mask)
    return margin + rank / config.rank_divisor + config.foreign_clips * foreign


def foreign_loss(logits: Tensor, has_foreign: Tensor) -> Tensor:
    """Mean cross entropy of calling every window beside a foreign sentence background; not in the paper.

    Args:
        logits: (B, Q, 2) of the pass with foreign sentences.
        has_foreign: (B,) whether a sample has a foreign sentence.
    """
    return (functional.softplus(logits[..., 0] - logits[..., 1]) * has_foreign[:, None]).mean()


def total_loss(losses: dict[str, Tensor], config: QdDetrLossConfig) -> Tensor:
    """Weighted sum; `class_error` is for the log only."""
    weights = {
        "loss_span": config.span,
        "loss_giou": config.giou,
        "loss_label": config.label,
        "loss_saliency": config.saliency,
        "loss_foreign": config.foreign,
    }
    return weighted_sum(losses, weights)
