"""A block that starts to collect looks at patches with objects, each head at its side of the picture."""

from __future__ import annotations

import torch

from coarse_to_fine.data_generation.world.vocabulary import KINDS
from coarse_to_fine.encoders.config import VisionConfig
from coarse_to_fine.encoders.pretraining.aggregator import start_collecting
from coarse_to_fine.encoders.pretraining.local_start import waves
from coarse_to_fine.encoders.pretraining.objectives import Probes
from coarse_to_fine.encoders.towers import Block

GRID, WIDTH, HEADS = 7, 160, 5


@torch.no_grad()
def test_heads_look_at_objects_on_their_side() -> None:
    torch.manual_seed(0)
    block, probes = Block(VisionConfig(hidden_size=WIDTH, num_attention_heads=HEADS)), Probes(16, WIDTH)
    probes.patch_kind.weight[:-1, 0] += 2.0  # the first channel tells objects from the background
    states = torch.randn(200, 1 + GRID * GRID, WIDTH)
    states[:, 1:, -32:] += waves(GRID, 32)
    covered = torch.zeros(200, GRID, GRID, dtype=torch.bool)
    covered[:, 3, 1] = covered[:, 3, 5] = True
    states[:, 1:, 0] = torch.where(covered.flatten(1), 4.0, -1.0)
    assert probes.patch_kind.out_features == len(KINDS) + 1
    start_collecting(block, probes, states)
    shares = _class_token_attention(block, states)[:, :, 1:].reshape(200, HEADS, GRID, GRID).mean(dim=0)
    assert shares[:, 3, [1, 5]].sum(dim=1).min() > 0.5
    assert shares[0, 3, 1] > 2 * shares[0, 3, 5]
    assert shares[-1, 3, 5] > 2 * shares[-1, 3, 1]


def _class_token_attention(block: Block, states: torch.Tensor) -> torch.Tensor:
    attention, normed = block.self_attn, block.layer_norm1(states)
    query = attention.q_proj(normed[:, :1]).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    key = attention.k_proj(normed).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    return (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(dim=-1)[:, :, 0]
