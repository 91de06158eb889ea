"""The objective that QD-DETR and MESM have in common: windows of every decoder layer, saliency, foreign sentences.

Axes: B batch, Q moment queries, L clips, N decoder layers, P clip pairs of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.losses import negative_pair_loss, saliency_margin_loss, saliency_rank_loss
from coarse_to_fine.fine_grained.matching import CostWeights
from coarse_to_fine.fine_grained.targets import WindowTargets
from coarse_to_fine.fine_grained.window_losses import layer_losses, weighted_sum
from coarse_to_fine.frozen_config import FrozenConfig


class DetectorLossConfig(FrozenConfig):
    """Weights of the terms; the first three stand in the matching cost too."""

    span: float = Field(default=10.0, ge=0, description="weight of the span distance")
    giou: float = Field(default=1.0, ge=0, description="weight of the overlap term")
    label: float = Field(default=4.0, ge=0, description="weight of the foreground term")
    saliency: float = Field(default=1.0, ge=0, description="weight of the saliency terms")
    foreign: float = Field(
        default=0.0,
        ge=0,
        description="weight of calling all windows beside a foreign sentence background; 0 in the papers, above it "
        "makes scores comparable across videos",
    )
    background: float = Field(default=0.1, ge=0, description="weight of background queries in the foreground term")
    triplet: bool = Field(default=True, description="whether pairs of clips inside and outside are compared")
    rank_divisor: float = Field(
        default=12.0, gt=0, description="what the ranking term is divided by; 1 where clips are relevant or not"
    )
    foreign_clips: float = Field(
        default=1.0, ge=0, description="weight, within the saliency terms, of low scores beside a foreign sentence"
    )
    margin: float = Field(default=0.2, ge=0, description="margin between clips inside and outside")
    temperature: float = Field(default=0.5, gt=0, description="temperature of the ranking term")
    auxiliary: bool = Field(default=True, description="whether earlier decoder layers are trained too")

    @property
    def matching(self) -> CostWeights:
        """Weights of the matching cost."""
        return CostWeights(self.span, self.giou, self.label)

    @property
    def weights(self) -> Mapping[str, float]:
        """Weight of each term by its name in the log."""
        return {
            "loss_span": self.span,
            "loss_giou": self.giou,
            "loss_label": self.label,
            "loss_saliency": self.saliency,
            "loss_foreign": self.foreign,
        }


def window_losses(
    logits: Float[Tensor, "N B Q 2"],
    spans: Float[Tensor, "N B Q 2"],
    targets: WindowTargets,
    config: DetectorLossConfig,
) -> dict[str, Tensor]:
    """The three window terms of each decoder layer, un-weighted; earlier layers carry their number."""
    return layer_losses(logits, spans, targets.spans, config.matching, config.background, config.auxiliary)


def saliency_loss(
    scores: Float[Tensor, "B L"],
    negative_scores: Float[Tensor, "B L"],
    mask: Bool[Tensor, "B L"],
    targets: WindowTargets,
    config: DetectorLossConfig,
    has_foreign: Bool[Tensor, " B"] | None = None,
) -> Float[Tensor, ""]:
    """Ranking and foreign-sentence terms of the saliency curve, and pairs of clips if asked for; un-weighted.

    Args:
        scores: saliency beside the own sentence.
        negative_scores: saliency of the same videos beside foreign sentences.
        mask: True = real clip.
        targets: labels and pairs.
        config: what is added and how.
        has_foreign: whether a sample has a foreign sentence; None: all do.
    """
    negative_mask = mask if has_foreign is None else mask & has_foreign[:, None]
    labels = targets.labels.to(scores.dtype)
    rank = saliency_rank_loss(scores, negative_scores, labels, mask, config.temperature, negative_mask)
    loss = rank / config.rank_divisor
    if config.triplet:
        loss = saliency_margin_loss(scores, targets.positive, targets.negative, config.margin) + loss
    return loss + config.foreign_clips * negative_pair_loss(negative_scores, negative_mask)


def foreign_loss(logits: Float[Tensor, "B Q 2"], has_foreign: Bool[Tensor, " B"]) -> Float[Tensor, ""]:
    """Mean cross entropy of calling every window beside a foreign sentence background; not in the papers.

    Args:
        logits: of the pass with foreign sentences.
        has_foreign: whether a sample has a foreign sentence.
    """
    return (functional.softplus(logits[..., 0] - logits[..., 1]) * has_foreign[:, None]).mean()


def total_loss(losses: Mapping[str, Tensor], config: DetectorLossConfig) -> Float[Tensor, ""]:
    """Weighted sum; terms without a weight are for the log only."""
    return weighted_sum(losses, config.weights)
