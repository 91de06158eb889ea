"""What the small CLIP is trained for: captions against frames, and questions that its embeddings must answer.

Axes: M captions, N frames, A labels, Q questions, P patches, W width of the image tower, D shared width.
The questions' heads are thrown away after training; they make embeddings hold where each object is and how it stands,
which a caption states only now and then. Without them a small model on little data learns names but hardly places.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS
from coarse_to_fine.encoders.pretraining.captions import HOLDS, UNCLEAR
from coarse_to_fine.encoders.pretraining.labels import BOUNDS, LABELS
from coarse_to_fine.encoders.pretraining.samples import PATCH_POSE_VALUES, POSE_VALUES
from coarse_to_fine.encoders.towers import Block


class Probes(nn.Module):
    """Heads that answer questions from the image embedding and from the states of the patches."""

    def __init__(self, embed_dim: int, vision_width: int, width: int = 256) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(KINDS), width)
        self.colour = nn.Embedding(len(COLOURS), width)
        self.picture = nn.Linear(embed_dim, width)
        self.inner = nn.Linear(2 * width, width)
        self.answers = nn.Linear(width, 1 + POSE_VALUES)
        self.labels = nn.Linear(embed_dim, LABELS)
        self.norm = nn.LayerNorm(vision_width)
        self.patch_kind = nn.Linear(vision_width, len(KINDS) + 1)
        self.patch_colour = nn.Linear(vision_width, len(COLOURS) + 1)
        self.patch_pose = nn.Linear(vision_width, PATCH_POSE_VALUES)

    def ask(self, embeddings: Float[Tensor, "N D"], asked: Int[Tensor, "N Q 2"]) -> Float[Tensor, "N Q 9"]:
        """Whether the object is there (a logit), and its pose."""
        picture = self.picture(functional.normalize(embeddings, dim=-1) * embeddings.shape[-1] ** 0.5)
        question = self.kind(asked[..., 0]) + self.colour(asked[..., 1])  # (N, Q, width)
        picture = picture[:, None].expand_as(question)
        answers: Tensor = self.answers(functional.gelu(self.inner(torch.cat([picture * question, picture], dim=-1))))
        return answers


def label_loss(probes: Probes, embeddings: Float[Tensor, "N D"], labels: Bool[Tensor, "N A"]) -> Float[Tensor, ""]:
    """Cross-entropy of the labels of each family, shared evenly among those that hold; the mean over families.

    Rows without a label of a family do not count there. The same head serves pictures and sentences.
    """
    scores = probes.labels(functional.normalize(embeddings, dim=-1) * embeddings.shape[-1] ** 0.5).float()
    right = labels.to(scores.dtype)
    losses = []
    for start, end in BOUNDS:
        counts = right[:, start:end].sum(dim=1)
        if (counts > 0).any():
            logs = (scores[:, start:end].log_softmax(dim=1) * right[:, start:end]).sum(dim=1)
            losses.append(-(logs / counts.clamp(min=1))[counts > 0].mean())
    return torch.stack(losses).mean()


def question_loss(
    answers: Float[Tensor, "N Q 9"], present: Float[Tensor, "N Q"], poses: Float[Tensor, "N Q 8"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy of presence, and the smooth absolute error of the poses of objects that are there."""
    presence = functional.binary_cross_entropy_with_logits(answers[..., 0], present)
    errors = functional.smooth_l1_loss(answers[..., 1:], poses, beta=0.3, reduction="none").mean(-1)
    return presence, (errors * present).sum() / present.sum().clamp(min=1)


def patch_loss(
    probes: Probes,
    states: Float[Tensor, "N P W"],
    facts: Int[Tensor, "N P 2"],
    poses: Float[Tensor, "N P 7"],
    counts: tuple[float, float] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of kind and colour at the patches, and the error of the pose of what covers them.

    Background counts as much as all objects together. `counts` are the numbers of covered and of bare patches that the
    sums are divided by, where the pictures are part of a larger step; by default those of these pictures.
    """
    flat = probes.norm(states).flatten(0, 1)
    kinds, colours = facts.flatten(0, 1).unbind(-1)
    covered = kinds != len(KINDS)
    shown, bare = counts or (float(covered.sum()), float((~covered).sum()))
    weights = torch.where(covered, 1 / max(shown, 1.0), 1 / max(bare, 1.0))
    kind = functional.cross_entropy(probes.patch_kind(flat).float(), kinds, reduction="none")
    colour = functional.cross_entropy(probes.patch_colour(flat).float(), colours, reduction="none")
    error = functional.smooth_l1_loss(
        probes.patch_pose(flat).float(), poses.flatten(0, 1), beta=0.3, reduction="none"
    ).mean(-1)
    return ((kind + colour) * weights).sum() / 2 + (error * weights * covered).sum()


def attention_misses(
    block: Block, states: Float[Tensor, "N P1 W"], covered: Bool[Tensor, "N P"]
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """How little the heads of a block's class token look at the objects in their bands: -log of the attention there.

    Each head has a band of columns, from the left to the right of the picture. An object covers few patches, and a
    class token that looks everywhere alike sees neither what kind it is nor, with several objects, which is where.

    Returns:
        The sum over the heads of a picture that have an object in their band, and how many these are.
    """
    attention, normed = block.self_attn, block.layer_norm1(states)
    query = attention.q_proj(normed[:, :1]).unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # (N, H, 1, W / H)
    key = attention.k_proj(normed).unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # (N, H, P1, W / H)
    shares = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).float().softmax(dim=-1)[:, :, 0, 1:]  # (N, H, P)
    wanted = covered[:, None] & column_bands(attention.heads, math.isqrt(covered.shape[1])).to(covered.device)
    counted = wanted.any(dim=-1)  # (N, H)
    misses = -((shares * wanted).sum(dim=-1) + 1e-4).log()
    return misses.masked_fill(~counted, 0.0).sum(dim=-1), counted.sum(dim=-1).to(misses.dtype)


def column_bands(heads: int, grid: int) -> Bool[Tensor, "H P"]:
    """Patches within one column of the middle of each head's band; the middles are spread evenly over the width."""
    middles = torch.linspace(0, grid - 1, heads) if heads > 1 else torch.tensor([(grid - 1) / 2])
    reach = max(1.0, (grid - 1) / (2 * heads))
    columns = (torch.arange(grid)[None] - middles[:, None]).abs() <= reach  # (H, columns)
    return columns[:, None, :].expand(heads, grid, grid).flatten(1)


def contrastive_loss(
    texts: Float[Tensor, "M D"],
    images: Float[Tensor, "N D"],
    truth: Int[Tensor, "M N"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Cross-entropy both ways with several right answers: each row's target is spread evenly over them.

    Args:
        texts, images: embeddings, not normalised.
        truth: HOLDS, FAILS, or UNCLEAR, which takes the pair out.
        scale: factor on the cosines.
    """
    cosines = functional.normalize(texts, dim=-1) @ functional.normalize(images, dim=-1).T
    logits = (scale * cosines).masked_fill(truth == UNCLEAR, float("-inf"))
    right = (truth == HOLDS).to(logits.dtype)
    losses = []
    for axis in (1, 0):
        log_shares = logits.log_softmax(dim=axis).masked_fill(truth == UNCLEAR, 0.0)
        counts = right.sum(dim=axis)
        answered = counts > 0
        losses.append(-((log_shares * right).sum(dim=axis) / counts.clamp(min=1))[answered].mean())
    return (losses[0] + losses[1]) / 2


def pair_truth(ids: Int[Tensor, "M T"], scene_truth: Int[Tensor, "N F K F"]) -> Int[Tensor, "M NF"]:
    """Truth of every caption about every frame of the batch.

    Captions fail on frames of other scenes, except where the same words are a caption there: then what is known of
    these words there counts.
    """
    scenes, frames, captions, _ = scene_truth.shape
    own = torch.zeros(scenes, frames, captions, scenes, frames, dtype=scene_truth.dtype, device=ids.device)
    index = torch.arange(scenes, device=ids.device)
    own[index, :, :, index] = scene_truth
    flat = own.flatten(3).flatten(0, 2)  # (M, N F)
    same = (ids[:, None] == ids[None]).all(-1).float()  # (M, M)
    holds = same @ (flat == HOLDS).float() > 0
    unclear = same @ (flat == UNCLEAR).float() > 0
    return torch.where(holds, HOLDS, torch.where(unclear, UNCLEAR, 0))
