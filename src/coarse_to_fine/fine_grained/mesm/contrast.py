"""The two losses of the modal enhancement: guessed words, and moments against sentences.

Axes: B batch, L clips, T words, D width, K word classes. Masks: True = real.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.spans import pairwise_giou


def guessed_words_loss(
    logits: Float[Tensor, "B T K"], classes: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"], smoothing: float = 0.1
) -> Float[Tensor, ""]:
    """Label-smoothed negative log likelihood, mean over the real words of a sentence, then over sentences.

    Words that were not masked count as well.
    """
    log_share = logits.log_softmax(-1)
    true = log_share.gather(-1, classes[..., None])[..., 0]
    loss = -(1 - smoothing) * true - smoothing * log_share.mean(-1)
    return ((loss * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


@torch.no_grad()
def guessed_words_accuracy(
    logits: Float[Tensor, "B T K"], classes: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Share of the real words that are guessed; for the log only."""
    right = (logits.argmax(-1) == classes) & mask
    return right.sum() / mask.sum().clamp(min=1)


def moment_sentence_loss(
    clips: Float[Tensor, "B L D"],
    clip_mask: Bool[Tensor, "B L"],
    words: Float[Tensor, "B T D"],
    words_mask: Bool[Tensor, "B T"],
    positive: Bool[Tensor, "B B"],
    temperature: float = 0.5,
) -> Float[Tensor, ""]:
    """Contrast of each moment (mean of its clips) with the sentences of the batch (mean of their words).

    One direction only, clips to sentences. Rows without a clip in the moment are left out.

    Args:
        clips: projected clips, not enhanced.
        clip_mask: clips of the moment.
        words, words_mask: summary and projected words.
        positive: which sentences describe a row's moment, itself included.
        temperature: divides the cosines.
    """
    moments = functional.normalize(_mean(clips, clip_mask), dim=-1)
    sentences = functional.normalize(_mean(words, words_mask), dim=-1)
    z = moments @ sentences.T / temperature  # (B, B)
    z = z - z.amax(1, keepdim=True)
    log_share = z - torch.log(z.exp().sum(1, keepdim=True) + 1e-6)
    loss = -(log_share * positive).sum(1) / (positive.sum(1) + 1e-6)
    has_clips = clip_mask.any(1)
    return (loss * has_clips).sum() / has_clips.sum().clamp(min=1)


def same_moment(
    moments: Float[Tensor, "B 2"], group: Int[Tensor, " B"], least_overlap: float = 0.9
) -> Bool[Tensor, "B B"]:
    """Rows of one group whose moments have a generalised IoU of at least `least_overlap`; every row with itself.

    Args:
        moments: (start, end), for several windows from the first start to the last end.
        group: number of the video that a row belongs to.
        least_overlap: from which on two moments are the same.
    """
    near = pairwise_giou(moments, moments) >= least_overlap
    own = torch.eye(len(group), dtype=torch.bool, device=group.device)
    return (near & (group[:, None] == group[None, :])) | own


def hulls(spans: list[Tensor]) -> Float[Tensor, "B 2"]:
    """(first start, last end) of each row's windows, given as (centre, width)."""
    rows = [torch.stack([(s[:, 0] - s[:, 1] / 2).min(), (s[:, 0] + s[:, 1] / 2).max()]) for s in spans]
    return torch.stack(rows)


def _mean(rows: Tensor, mask: Tensor) -> Tensor:
    return (rows * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
