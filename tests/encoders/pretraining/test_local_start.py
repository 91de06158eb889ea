"""The image tower starts whitened, and each head of its first blocks looks at one neighbour."""

from __future__ import annotations

import torch

from coarse_to_fine.encoders.config import VisionConfig
from coarse_to_fine.encoders.pretraining.local_start import NOISE_FLOOR, OFFSETS, start_locally, waves
from coarse_to_fine.encoders.towers import VisionTower


def started(heads: int = 5) -> tuple[VisionTower, torch.Tensor]:
    torch.manual_seed(0)
    config = VisionConfig(
        hidden_size=32 * heads, num_hidden_layers=2, num_attention_heads=heads, image_size=56, patch_size=8
    )
    tower = VisionTower(config)
    coarse = torch.randn(200, 3, 28, 28)
    pixels = torch.nn.functional.interpolate(coarse, size=56, mode="bilinear") + 2.0
    start_locally(tower, pixels, local_blocks=1)
    return tower, pixels


@torch.no_grad()
def test_answers_are_whitened() -> None:
    tower, pixels = started()
    answers = tower.embeddings(pixels)[:, 1:]
    torch.testing.assert_close(answers[0, :, -32:], waves(7, 32), rtol=1e-3, atol=1e-3)
    content = answers[..., :-32].flatten(0, 1)
    covariance = torch.cov(content.T)
    assert content.mean(0).abs().max() < 1e-3
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 1e-3
    assert 0.5 < covariance.diagonal()[-1] <= 1.0 + NOISE_FLOOR


@torch.no_grad()
def test_heads_look_at_their_neighbours() -> None:
    tower, pixels = started()
    attention = tower.encoder.layers[0].self_attn
    states = tower.pre_layrnorm(tower.embeddings(pixels[:8]))
    query, key = (part(states).unflatten(-1, (5, 32)).transpose(1, 2) for part in (attention.q_proj, attention.k_proj))
    shares = (query @ key.transpose(-1, -2) / 32**0.5).softmax(-1).mean(0)[:, 1:, 1:].reshape(5, 7, 7, 7, 7)
    for head, (across, down) in enumerate(OFFSETS[:5]):
        looked_at = shares[head, 3, 3]
        assert divmod(int(looked_at.argmax()), 7) == (3 + down, 3 + across)
        assert looked_at.max() > 0.4


def test_waves_tell_every_place_apart() -> None:
    positions = waves(7, 32)
    assert (torch.cdist(positions, positions) + 9 * torch.eye(49)).min() > 1
