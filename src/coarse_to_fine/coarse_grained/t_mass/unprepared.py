"""The score of T-MASS for candidates that nothing was computed of before and that will not be asked for again.

Axes: T texts, V videos, F frames, D width, S trials.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import blocks
from coarse_to_fine.coarse_grained.t_mass.cached import SMALLEST, Constants, constants, inverse_norm
from coarse_to_fine.coarse_grained.t_mass.pooling import EPSILON, FramePooling
from coarse_to_fine.coarse_grained.t_mass.stochastic import Radius

BLOCK_FLOATS = 2**18
"""V * D of one block: its handful of arrays stay in the processor's cache."""


def score_unprepared(
    pooling: FramePooling,
    radius: Radius,
    text: Float[Tensor, "T D"],
    frames: Float[Tensor, "V F D"],
    noise: Float[Tensor, "S D"],
) -> Float[Tensor, "T V"]:
    """Scores without a cache: frames are mixed before they are projected, 3 D D multiplications a pair instead of the
    2 F D D a video of a cache that serves once."""
    scores = text.new_empty(len(text), len(frames))
    for row, one in enumerate(text.unsqueeze(1)):
        known = constants(pooling, radius, one, noise)
        for part in blocks(len(frames), BLOCK_FLOATS // one.numel()):
            block = frames[part].to(text.device, torch.float32)
            products = functional.linear(block, known.directions)  # (V, F, 2)
            inverse_std = torch.rsqrt(block.var(dim=-1, correction=0) + EPSILON)
            weights = torch.softmax(products[..., 1] * inverse_std, dim=1).unsqueeze(1)  # (V, 1, F)
            pooled = pooling.project(pooling.output(pooling.value(weights @ pooling.norm_input(block))))  # (V, 1, D)
            cosines = products[..., 0] * inverse_norm(block)
            scores[row, part] = _best_trial(pooled.squeeze(1), cosines, known)
    return scores


def _best_trial(pooled: Float[Tensor, "V D"], cosines: Float[Tensor, "V F"], known: Constants) -> Float[Tensor, " V"]:
    """Largest cosine of t + ε_s ⊙ R with the pooled video, from dot products instead of S random texts."""
    radius = torch.exp2(torch.addmm(known.radius_bias, cosines, known.radius_weight))  # (V, D)
    dot = known.noise @ (radius * pooled).T + pooled @ known.text[0]  # (S, V)
    squared = (2 * known.noise * known.text) @ radius.T + known.noise_squared @ radius.square_().T
    squared = (squared + known.text_squared).clamp(min=SMALLEST)
    best: Tensor = (dot * torch.rsqrt(squared)).amax(dim=0)
    length: Tensor = torch.linalg.vector_norm(pooled, dim=-1)
    return best / length
