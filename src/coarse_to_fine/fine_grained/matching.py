"""Minimum-cost assignment of predicted spans to true ones (Hungarian matching), shared by QD-DETR and MESM.

Axes: B batch, Q moment queries, G true windows of a sample. Spans are (centre, width) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from coarse_to_fine.spans import center_width_to_start_end, pairwise_giou

UNUSABLE = 1e6
"""Cost of a pair whose cost is not finite."""


class CostWeights(NamedTuple):
    """Weights of the three parts of the cost."""

    span: float = 10.0
    giou: float = 1.0
    label: float = 4.0


class Matches(NamedTuple):
    """Matched pairs of a batch, K in all: sample, query (ascending inside a sample) and true window of each."""

    sample: Tensor
    query: Tensor
    target: Tensor


def match_cost(
    logits: Float[Tensor, "Q 2"], spans: Float[Tensor, "Q 2"], targets: Float[Tensor, "G 2"], weights: CostWeights
) -> Float[Tensor, "Q G"]:
    """span * (|dc| + |dw|) - giou * GIoU - label * p(foreground)."""
    distance = torch.cdist(spans, targets, p=1)
    overlap = pairwise_giou(center_width_to_start_end(spans), center_width_to_start_end(targets))
    return weights.span * distance - weights.giou * overlap - weights.label * logits.softmax(-1)[:, :1]


@torch.no_grad()
def match(
    logits: Float[Tensor, "B Q 2"],
    spans: Float[Tensor, "B Q 2"],
    targets: Sequence[Float[Tensor, "_ 2"]],
    weights: CostWeights = CostWeights(),  # noqa: B008 - a tuple, never changed
) -> Matches:
    """Match each sample on its own; a sample without windows gets no pair.

    Costs that are not finite count as very high ones: the losses of such pairs are not finite either, and the training
    loop names the samples that they come from.
    """
    counts = [len(target) for target in targets]
    every = torch.cat([target.float() for target in targets]).to(spans.device)
    flat = match_cost(logits.flatten(0, 1).float(), spans.flatten(0, 1).float(), every, weights)
    costs = flat.reshape(*logits.shape[:2], len(every)).cpu()  # (B, Q, all G)
    pairs: list[tuple[int, int, int]] = []
    for sample, block in enumerate(torch.split(costs, counts, dim=2)):
        cost = block[sample]
        queries, windows = linear_sum_assignment(cost.nan_to_num(UNUSABLE, UNUSABLE, UNUSABLE).numpy())
        pairs.extend((sample, int(query), int(window)) for query, window in zip(queries, windows, strict=True))
    columns = torch.tensor(pairs, dtype=torch.long, device=logits.device).reshape(-1, 3).unbind(1)
    return Matches(*columns)
