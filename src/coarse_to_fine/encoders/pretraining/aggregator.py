"""Initial values with which the last block's class token collects what the patches know.

An object covers few patches, and a class token that looks everywhere alike finds out late that a tenth of them
matters. After the first part of the training the heads for patches know which patches show an object and what it is.
Here they become a block: its keys are how much a patch looks like an object, each head prefers a band of columns, and
its values are what the heads for patches read. Only initial values: all of them are trained.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from coarse_to_fine.encoders.pretraining.objectives import Probes
from coarse_to_fine.encoders.towers import Block

OBJECT_SHARPNESS = 2.0
"""Logits of attention for a unit of the difference between the heads' mean object and their background."""

BAND_SHARPNESS = 0.5
"""Logits of attention lost by a patch one column away from the middle of the head's band."""

READ_OUT = 4.0
"""Factor on what is read, against the class token's own state."""


@torch.no_grad()
def start_collecting(block: Block, probes: Probes, states: Float[Tensor, "N P1 W"]) -> None:
    """Set the block, in place.

    Args:
        block: an untrained block.
        probes: heads that know what covers patches with states such as these.
        states: what the block gets, of some hundred pictures.
    """
    attention = block.self_attn
    width, heads = states.shape[-1], attention.heads
    share = width // heads
    block.layer_norm1.load_state_dict(probes.norm.state_dict())
    normed = block.layer_norm1(states[:, 1:])  # (N, P, W)
    flat = normed.flatten(0, 1)
    bands = _band_directions(normed, heads)  # (W, H)
    for projection in (attention.q_proj, attention.k_proj):
        nn.init.normal_(projection.weight, std=0.01)
        nn.init.zeros_(projection.bias)
    objectness = probes.patch_kind.weight[:-1].mean(dim=0) - probes.patch_kind.weight[-1]
    read = _read_directions(probes, flat, share)  # (share, W)
    for head in range(heads):
        first = head * share
        attention.k_proj.weight[first] += OBJECT_SHARPNESS * objectness + BAND_SHARPNESS * bands[:, head]
        attention.q_proj.bias[first] = math.sqrt(share)
        attention.v_proj.weight[first : first + share] = read
    attention.v_proj.bias.copy_(-(read @ flat.mean(dim=0)).repeat(heads))
    attention.out_proj.weight.copy_(READ_OUT * torch.eye(width))
    nn.init.zeros_(attention.out_proj.bias)
    block.mlp.fc2.weight.mul_(0.1)


def _band_directions(normed: Float[Tensor, "N P W"], heads: int) -> Float[Tensor, "W H"]:
    """Linear read-outs of how near a patch is to the middle of each head's band, by ridge regression."""
    grid = math.isqrt(normed.shape[1])
    columns = torch.arange(normed.shape[1]) % grid
    middles = torch.linspace(0, grid - 1, heads) if heads > 1 else torch.tensor([(grid - 1) / 2])
    wanted = -((columns[:, None] - middles).square())  # (P, H)
    wanted = (wanted - wanted.mean(dim=0)).repeat(len(normed), 1)
    centred = normed.flatten(0, 1) - normed.mean(dim=(0, 1))
    ridge = 10.0 * torch.eye(normed.shape[-1])
    solved: Tensor = torch.linalg.solve(centred.T @ centred + ridge, centred.T @ wanted)
    return solved


def _read_directions(probes: Probes, flat: Float[Tensor, "NP W"], count: int) -> Float[Tensor, "K W"]:
    """The `count` directions in which the heads for patches differ most, each with unit variance."""
    kinds, colours = probes.patch_kind.weight[:-1], probes.patch_colour.weight[:-1]
    rows = torch.cat([kinds - kinds.mean(dim=0), colours - colours.mean(dim=0), probes.patch_pose.weight])
    left, _, _ = torch.linalg.svd(functional.normalize(rows, dim=1), full_matrices=False)
    directions = (left.T @ functional.normalize(rows, dim=1))[:count]
    scaled: Tensor = directions / (flat @ directions.T).std(dim=0)[:, None].clamp(min=1e-3)
    return scaled
