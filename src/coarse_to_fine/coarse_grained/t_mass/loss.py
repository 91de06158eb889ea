"""The loss of T-MASS: symmetric cross entropy of the random texts, and of the support texts with a weight."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.t_mass.model import TMassBatch


class TMassLosses(NamedTuple):
    """Scalars; total = stochastic + weight * support."""

    total: Tensor
    stochastic: Tensor
    support: Tensor


def contrastive_loss(similarity: Float[Tensor, "N N"], logit_scale: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Mean of the row-wise and the column-wise cross entropy of exp(logit_scale) * similarity with the diagonal.

    Other captions of the same video in the batch count as negatives, as in the release; make batches of distinct
    videos to avoid it.

    Source: Radford et al., ICML 2021, figure 3.
    """
    logits = similarity * logit_scale.exp()
    target = torch.arange(len(similarity), device=similarity.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def t_mass_loss(batch: TMassBatch, logit_scale: Float[Tensor, ""], support_weight: float) -> TMassLosses:
    """Losses of a batch of pairs. The embedding of the text itself enters no loss directly.

    Source: Wang et al., CVPR 2024, section 3.3.
    """
    stochastic = contrastive_loss(batch.stochastic_similarity, logit_scale)
    support = contrastive_loss(batch.support_similarity, logit_scale)
    total = stochastic + support_weight * support if support_weight else stochastic
    return TMassLosses(total, stochastic, support)
