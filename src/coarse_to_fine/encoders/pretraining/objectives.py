"""What the small CLIP is trained for: captions against frames, and questions that its embeddings must answer.

Axes: M captions, N frames, Q questions, P patches, W width of the image tower, D shared width.
The questions' heads are thrown away after training; they make embeddings hold where each object is and how it stands,
which a caption states only now and then. Without them a small model on little data learns names but hardly places.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from coarse_to_fine.data_generation.world.vocabulary import COLOURS, KINDS
from coarse_to_fine.encoders.pretraining.captions import HOLDS, UNCLEAR
from coarse_to_fine.encoders.pretraining.samples import PATCH_POSE_VALUES, POSE_VALUES


class Probes(nn.Module):
    """Heads that answer questions from the image embedding and from the states of the patches."""

    def __init__(self, embed_dim: int, vision_width: int, width: int = 256) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(KINDS), width)
        self.colour = nn.Embedding(len(COLOURS), width)
        self.picture = nn.Linear(embed_dim, width)
        self.inner = nn.Linear(2 * width, width)
        self.answers = nn.Linear(width, 1 + POSE_VALUES)
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


def question_loss(
    answers: Float[Tensor, "N Q 9"], present: Float[Tensor, "N Q"], poses: Float[Tensor, "N Q 8"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy of presence, and the smooth absolute error of the poses of objects that are there."""
    presence = functional.binary_cross_entropy_with_logits(answers[..., 0], present)
    errors = functional.smooth_l1_loss(answers[..., 1:], poses, beta=0.3, reduction="none").mean(-1)
    return presence, (errors * present).sum() / present.sum().clamp(min=1)


def patch_loss(
    probes: Probes, states: Float[Tensor, "N P W"], facts: Int[Tensor, "N P 2"], poses: Float[Tensor, "N P 7"]
) -> Float[Tensor, ""]:
    """Cross-entropy of kind and colour at the patches, and the error of the pose of what covers them.

    Background counts as much as all objects together.
    """
    flat = probes.norm(states).flatten(0, 1)
    kinds, colours = facts.flatten(0, 1).unbind(-1)
    covered = kinds != len(KINDS)
    weights = torch.where(covered, 1 / covered.sum().clamp(min=1), 1 / (~covered).sum().clamp(min=1))
    kind = functional.cross_entropy(probes.patch_kind(flat).float(), kinds, reduction="none")
    colour = functional.cross_entropy(probes.patch_colour(flat).float(), colours, reduction="none")
    error = functional.smooth_l1_loss(
        probes.patch_pose(flat).float(), poses.flatten(0, 1), beta=0.3, reduction="none"
    ).mean(-1)
    return ((kind + colour) * weights).sum() / 2 + (error * weights * covered).sum()


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
