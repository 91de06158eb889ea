"""Losses of the set of windows and of the saliency curve, shared by QD-DETR and MESM.

Axes: B batch, Q moment queries, L clips, K matched pairs, P clip pairs of a sample. Masks: True = real clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.fine_grained.matching import Matches
from coarse_to_fine.spans import center_width_to_start_end

RANK_LEVELS = range(1, 12)
PADDING_SCORE = -1000.0


def matched_spans(
    spans: Float[Tensor, "B Q 2"], targets: Sequence[Float[Tensor, "_ 2"]], matches: Matches
) -> tuple[Float[Tensor, "K 2"], Float[Tensor, "K 2"]]:
    """Predicted and true spans of the matched pairs."""
    counts = torch.tensor([0, *(len(target) for target in targets)], device=spans.device).cumsum(0)
    truth = torch.cat(list(targets)).to(spans)
    return spans[matches.sample, matches.query], truth[counts[matches.sample] + matches.target]


def span_loss(predicted: Float[Tensor, "K 2"], truth: Float[Tensor, "K 2"]) -> Float[Tensor, ""]:
    """Mean |difference| over both coordinates; 0 without pairs."""
    return (predicted - truth).abs().sum() / max(1, predicted.numel())


def giou_loss(predicted: Float[Tensor, "K 2"], truth: Float[Tensor, "K 2"]) -> Float[Tensor, ""]:
    """Mean 1 - GIoU of the pairs; 0 without pairs."""
    a, b = center_width_to_start_end(predicted), center_width_to_start_end(truth)
    overlap = (torch.minimum(a[:, 1], b[:, 1]) - torch.maximum(a[:, 0], b[:, 0])).clamp(min=0)
    union = (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) - overlap
    hull = torch.maximum(a[:, 1], b[:, 1]) - torch.minimum(a[:, 0], b[:, 0])
    union, hull = (torch.where(part > 0, part, torch.ones_like(part)) for part in (union, hull))
    giou = overlap / union - (hull - union) / hull
    return (1 - giou).sum() / max(1, len(giou))


def label_loss(logits: Float[Tensor, "B Q 2"], matches: Matches, background_weight: float = 0.1) -> Float[Tensor, ""]:
    """Weighted cross entropy, matched queries foreground (0), others background (1).

    Divided by B * Q, not by the sum of the weights.
    """
    labels = torch.ones(logits.shape[:2], dtype=torch.long, device=logits.device)
    labels[matches.sample, matches.query] = 0
    weight = logits.new_tensor([1.0, background_weight])
    return functional.cross_entropy(logits.transpose(1, 2), labels, weight, reduction="none").mean()


@torch.no_grad()
def class_error(logits: Float[Tensor, "B Q 2"], matches: Matches) -> Float[Tensor, ""]:
    """Percentage of the matched queries that are not taken for foreground; for the log only."""
    if not len(matches.query):
        return logits.new_zeros(())
    return 100 * (logits[matches.sample, matches.query].argmax(-1) != 0).float().mean()


def saliency_margin_loss(
    scores: Float[Tensor, "B L"], positive: Int[Tensor, "B P"], negative: Int[Tensor, "B P"], margin: float = 0.2
) -> Float[Tensor, ""]:
    """2 * mean max(0, margin + s[negative] - s[positive]) over the pairs of clips of all samples."""
    difference = scores.gather(1, negative) - scores.gather(1, positive)
    return 2 * (margin + difference).clamp(min=0).mean()


def negative_pair_loss(scores: Float[Tensor, "B L"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, ""]:
    """Mean over samples of the sum over clips of -ln(1 - sigmoid(s)): clips beside a foreign sentence score low.

    Written as softplus, which is the same and does not overflow (the releases give inf above about 17).
    """
    return (functional.softplus(scores) * mask).sum(1).mean()


def saliency_rank_loss(
    scores: Float[Tensor, "B L"],
    negative_scores: Float[Tensor, "B L"],
    labels: Float[Tensor, "B L"],
    mask: Bool[Tensor, "B L"],
    temperature: float = 0.5,
    negative_mask: Bool[Tensor, "B L"] | None = None,
) -> Float[Tensor, ""]:
    """Sum over the label levels 1..11 of a contrast of clips at or above the level against all others.

    The others are the clips below the level and every clip beside a foreign sentence. Levels that no sample reaches
    are left out; a sample that does not reach a level counts 0. The releases then divide by 12, whatever was used.

    `negative_mask` says which negative scores count; by default those of all real clips.
    """
    both = torch.cat([mask, mask if negative_mask is None else negative_mask], dim=1)  # (B, 2L)
    z = torch.cat([scores, negative_scores], dim=1).masked_fill(~both, PADDING_SCORE) / temperature
    z = z - z.amax(1, keepdim=True)
    log_share = z - torch.log(z.exp().sum(1, keepdim=True) + 1e-6)
    levels = torch.cat([labels, torch.zeros_like(labels)], dim=1)
    total = scores.new_zeros(())
    for level in RANK_LEVELS:
        positive = (levels >= level) & both
        if bool(positive.any()):
            inside = (log_share * positive).sum(1) / (positive.sum(1) + 1e-6)
            total = total - inside.mean()
    return total
