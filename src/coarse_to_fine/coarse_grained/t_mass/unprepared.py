"""The score of T-MASS for candidates that nothing was computed of before and that will not be asked for again.

Axes: T texts, V videos, F frames, D width, S trials.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import blocks
from coarse_to_fine.coarse_grained.t_mass.cached import SMALLEST, Constants, inverse_norm
from coarse_to_fine.coarse_grained.t_mass.pooling import EPSILON, FramePooling
from coarse_to_fine.cores import share

BLOCK_FLOATS = 2**18
"""V * D of one block: its handful of arrays stay in the processor's cache."""
LEAST_VIDEOS = 64
"""Below this number of videos a core, sharing costs more than it saves."""


def score_unprepared(
    pooling: FramePooling, known: Sequence[Constants], frames: Float[Tensor, "V F D"]
) -> Float[Tensor, "T V"]:
    """Scores without a cache, `known` of one text each: frames are mixed before they are projected, 2 D D
    multiplications a pair instead of the 2 F D D a video of a cache that serves once."""
    device = pooling.key.weight.device
    scores = torch.empty(len(known), len(frames), device=device)

    def own_part(part: slice) -> None:
        for row, one in enumerate(known):
            scores[row, part] = _score_text(pooling, one, frames[part])

    share(own_part, len(frames), LEAST_VIDEOS, device.type)
    return scores


def _score_text(pooling: FramePooling, known: Constants, frames: Float[Tensor, "V F D"]) -> Float[Tensor, " V"]:
    scores = known.text.new_empty(len(frames))
    norm, width = pooling.norm_input, known.text.shape[1:]
    for part in blocks(len(frames), BLOCK_FLOATS // known.text.numel()):
        block = frames[part].to(scores.device, torch.float32)
        products = functional.linear(block, known.directions)  # (V, F, 2)
        normed, _, inverse_std = torch.native_layer_norm(block, width, norm.weight, norm.bias, EPSILON)
        weights = torch.softmax(products[..., 1] * inverse_std.squeeze(-1), dim=1).unsqueeze(1)  # (V, 1, F)
        mixture = (weights @ normed).squeeze(1)  # (V, D)
        pooled = pooling.project(torch.addmm(known.weights.output_bias, mixture, known.weights.output))
        cosines = products[..., 0] * inverse_norm(block)
        scores[part] = _best_trial(pooled, cosines, known)
    return scores


def _best_trial(pooled: Float[Tensor, "V D"], cosines: Float[Tensor, "V F"], known: Constants) -> Float[Tensor, " V"]:
    """Largest cosine of t + ε_s ⊙ R with the pooled video, from dot products instead of S random texts."""
    radius = torch.exp2(torch.addmm(known.weights.radius[-1], cosines, known.weights.radius[:-1]))  # (V, D)
    dot = known.noise @ (radius * pooled).T + pooled @ known.text[0]  # (S, V)
    squared = (2 * known.noise * known.text) @ radius.T + known.noise_squared @ radius.square_().T
    squared = (squared + known.text_squared).clamp(min=SMALLEST)
    best: Tensor = (dot * torch.rsqrt(squared)).amax(dim=0)
    length: Tensor = torch.linalg.vector_norm(pooled, dim=-1)
    return best / length
