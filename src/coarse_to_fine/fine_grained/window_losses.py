"""The window terms of every decoder layer and the sum of all terms; shared by QD-DETR and MESM.

Axes: N decoder layers, B batch, Q moment queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.fine_grained.losses import class_error, giou_loss, label_loss, matched_spans, span_loss
from coarse_to_fine.fine_grained.matching import CostWeights, match
from coarse_to_fine.training.task import Batch


def layer_losses(
    logits: Float[Tensor, "N B Q 2"],
    spans: Float[Tensor, "N B Q 2"],
    truth: Sequence[Float[Tensor, "_ 2"]],
    weights: CostWeights,
    background: float,
    auxiliary: bool = True,
) -> dict[str, Tensor]:
    """Span, overlap and foreground terms, un-weighted; earlier layers carry their number (`loss_span_0`).

    Args:
        logits, spans: predictions of each layer, the last one is the result.
        truth: for each sample its true windows, (G, 2) centre and width in [0, 1].
        weights: of the matching cost.
        background: weight of unmatched queries in the foreground term.
        auxiliary: whether earlier layers have terms.
    """
    last = len(logits) - 1
    losses: dict[str, Tensor] = {}
    for layer in range(last + 1) if auxiliary else [last]:
        matches = match(logits[layer], spans[layer], truth, weights)
        predicted, true = matched_spans(spans[layer], truth, matches)
        suffix = "" if layer == last else f"_{layer}"
        losses["loss_span" + suffix] = span_loss(predicted, true)
        losses["loss_giou" + suffix] = giou_loss(predicted, true)
        losses["loss_label" + suffix] = label_loss(logits[layer], matches, background)
        losses["class_error" + suffix] = class_error(logits[layer], matches)
    return losses


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Sum of the named terms times their weights; a term of an earlier layer weighs what the last one's does.

    Terms without a weight are for the log only.
    """
    terms = []
    for name, value in losses.items():
        base = name if name in weights else name.rpartition("_")[0]
        if base in weights:
            terms.append(weights[base] * value)
    return sum(terms[1:], terms[0])


def matched_pairs(truth: Sequence[Float[Tensor, "_ 2"]], queries: int) -> int:
    """Number of pairs that a matching of these windows has."""
    return sum(min(len(windows), queries) for windows in truth)


def whole_step(losses: dict[str, Tensor], batch: Batch, pairs: int) -> dict[str, Tensor]:
    """Rescale means over the pairs and samples of one part to the counts of the whole optimiser step."""
    by_pair, by_sample = pairs / batch.counts["pairs"], len(batch.sample_ids) / batch.counts["samples"]
    return {
        name: value * (by_pair if name.startswith(("loss_span", "loss_giou")) else by_sample)
        if name.startswith("loss_")
        else value
        for name, value in losses.items()
    }
