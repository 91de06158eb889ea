"""Initial values with which an image tower looks at pictures locally from the first step on.

A transformer on patches has to learn what a convolution has by construction: that neighbours belong together. With
little data and few steps most of the training goes into that. Here the patch filters begin as whitened principal
components, the positions as waves in channels of their own, and the heads of the first blocks each look at one
neighbour (self-attention can express a convolution: Cordonnier et al., ICLR 2020). Only initial values: the
architecture stays CLIP's, and all of them are trained.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.encoders.towers import Attention, Block, VisionTower

NOISE_FLOOR = 0.02
"""Variance below which a component counts as noise and is not amplified; pixels have about unit variance."""

OFFSETS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1))
"""Columns and rows from a patch to the neighbour that a head looks at, head by head, then from the start again."""

AMPLITUDE = 1.4
SHARPNESS = 1.3


@torch.no_grad()
def start_locally(tower: VisionTower, pixels: Float[Tensor, "N 3 S S"], local_blocks: int) -> None:
    """Set patch filters, positions and the heads of the first blocks, in place.

    Args:
        tower: an image tower; as many of its channels as a head is wide are given to the positions.
        pixels: some hundred normalised pictures.
        local_blocks: blocks whose heads look at neighbours.
    """
    attentions = [block.self_attn for block in tower.encoder.layers if isinstance(block, Block)]
    position_channels = attentions[0].q_proj.out_features // attentions[0].heads
    _whiten(tower, pixels, position_channels)
    for attention in attentions[:local_blocks]:
        _look_at_neighbours(attention, position_channels)


def waves(grid: int, channels: int) -> Float[Tensor, "P W"]:
    """Sines and cosines of column and row; the short waves tell neighbours apart, the long ones sides."""
    angular = frequencies(channels)
    rows, columns = torch.meshgrid(torch.arange(grid) * 1.0, torch.arange(grid) * 1.0, indexing="ij")
    phases = [coordinate.flatten()[:, None] * angular for coordinate in (columns, rows)]
    return AMPLITUDE * torch.cat([part for phase in phases for part in (phase.sin(), phase.cos())], dim=1)


def frequencies(channels: int) -> Float[Tensor, " K"]:
    """Radians a patch, for a quarter of the channels."""
    return torch.linspace(0.3, 2.2, channels // 4)


def _whiten(tower: VisionTower, pixels: Float[Tensor, "N 3 S S"], position_channels: int) -> None:
    embeddings = tower.embeddings
    filters = embeddings.patch_embedding.weight
    width, _, side, _ = filters.shape
    patches = functional.unfold(pixels, side, stride=side).transpose(1, 2).flatten(0, 1)  # (N P, 3 side side)
    variances, components = torch.linalg.eigh(torch.cov(patches.T))
    used = min(width - position_channels, variances.numel())
    scales = (variances[-used:].clamp(min=0) + NOISE_FLOOR).rsqrt()
    whitening = torch.zeros(width, patches.shape[1])
    whitening[:used] = (components[:, -used:] * scales).T
    filters.copy_(whitening.reshape(filters.shape))
    positions = embeddings.position_embedding.weight
    positions.zero_()
    positions[1:] -= whitening @ patches.mean(dim=0)  # the filters have no bias, so the mean is taken off here
    positions[1:, -position_channels:] += waves(math.isqrt(positions.shape[0] - 1), position_channels)


def _look_at_neighbours(attention: Attention, channels: int) -> None:
    """Queries are the position, keys the position moved back by the head's offset: they agree at the offset."""
    query, key = attention.q_proj.weight, attention.k_proj.weight
    query.mul_(0.1)
    key.mul_(0.1)
    angular = frequencies(channels)
    half = channels // 2  # of a head, one half for the column and one for the row
    for head in range(attention.heads):
        rows = slice(head * channels, (head + 1) * channels)
        query[rows, -channels:] += SHARPNESS * torch.eye(channels)
        for axis, offset in enumerate(OFFSETS[head % len(OFFSETS)]):
            start = head * channels + axis * half
            left = key.shape[1] - channels + axis * half
            key[start : start + half, left : left + half] += SHARPNESS * _turn(angular * offset)


def _turn(angles: Float[Tensor, " K"]) -> Float[Tensor, "K2 K2"]:
    """The matrix that takes (sin(p), cos(p)) to (sin(p - angle), cos(p - angle))."""
    cosine, sine = torch.diag(angles.cos()), torch.diag(angles.sin())
    return torch.cat([torch.cat([cosine, -sine], dim=1), torch.cat([sine, cosine], dim=1)])
