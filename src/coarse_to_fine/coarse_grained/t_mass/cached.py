"""The score of T-MASS with everything that depends on the videos alone computed beforehand; one pooling head.

Exact, not an approximation: the weights of the pooling sum to one, so the output projection, the layer norms' statistics
and the last linear layer can be applied to the frames before the text is known. Per (text, video) pair remain 2 F D
multiplications for the cosines, F D for the mixture and 3 S D for the S trials; no D x D product.

Axes: T texts, V videos, F frames, D width, S trials.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import VideoCache, blocks, unit
from coarse_to_fine.coarse_grained.t_mass.pooling import EPSILON, FramePooling
from coarse_to_fine.coarse_grained.t_mass.stochastic import Radius

BLOCK_FLOATS = 2**18
"""V * T * D of one block: its handful of arrays stay in the processor's cache."""
INDEX_BLOCK = 1024
"""Videos that are prepared at once."""


def video_cache(pooling: FramePooling, frames: Float[Tensor, "V F D"]) -> VideoCache:
    """What is stored of each video.

    Returns:
        unit_frames: (V, F, D) frames of length one.
        mixed: (V, F, D) Z_f = (I + Wl)(γ2 ⊙ Ū_f), Ū_f = U_f minus its mean over D, U_f = Wo(Wu LN1(f) + bu) + bo.
        gram: (V, F, F) Ū Ūᵀ / D, the variance of every mixture.
        scale: (V, F) ||f|| / std(f).
    """
    parts = [_cache_block(pooling, frames[part]) for part in blocks(len(frames), INDEX_BLOCK)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else _cache_block(
        pooling, frames
    )


def _cache_block(pooling: FramePooling, frames: Float[Tensor, "V F D"]) -> VideoCache:
    width = frames.shape[-1]
    values = pooling.output(pooling.value(pooling.norm_input(frames)))
    centred = values - values.mean(dim=-1, keepdim=True)
    weighted = centred * pooling.norm_attended.weight
    std = torch.sqrt(frames.var(dim=-1, unbiased=False) + EPSILON)
    return {
        "unit_frames": unit(frames),
        "mixed": weighted + functional.linear(weighted, pooling.linear.weight),
        "gram": centred @ centred.transpose(1, 2) / width,
        "scale": frames.norm(dim=-1) / std,
    }


def score(
    pooling: FramePooling,
    radius: Radius,
    text: Float[Tensor, "T D"],
    cache: VideoCache,
    noise: Float[Tensor, "S D"],
) -> Float[Tensor, "T V"]:
    """Scores of all pairs, in blocks of videos; a cache in float16 or on another device is converted block by block."""
    count = len(cache["scale"])
    scores = text.new_empty(len(text), count)
    if not text.numel():
        return scores
    constants = _constants(pooling, text, noise)
    for part in blocks(count, BLOCK_FLOATS // text.numel()):
        block = {name: tensor[part].to(text.device, torch.float32) for name, tensor in cache.items()}
        scores[:, part] = _score_block(pooling, radius, text, block, constants).T
    return scores


def _constants(pooling: FramePooling, text: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """What depends on texts and weights only."""
    width = text.shape[1]
    query = pooling.query(pooling.norm_input(text)) @ pooling.key.weight * pooling.norm_input.weight
    query = (query - query.mean(dim=-1, keepdim=True)) / math.sqrt(width)  # takes the mean of each frame out as well
    bias = pooling.norm_attended.bias
    return {
        "directions": torch.cat([unit(text), query]).T.contiguous(),  # (D, 2 T)
        "offset": bias + functional.linear(bias, pooling.linear.weight, pooling.linear.bias),
        "noise": noise.T.contiguous(),
        "noise_squared": noise.square().T.contiguous(),
        "noise_text": 2 * text.unsqueeze(-1) * noise.T,  # (T, D, S)
        "text_squared": text.square().sum(dim=-1, keepdim=True),
    }


def _score_block(
    pooling: FramePooling, radius: Radius, text: Tensor, block: VideoCache, constants: dict[str, Tensor]
) -> Float[Tensor, "V T"]:
    texts = len(text)
    products = block["unit_frames"] @ constants["directions"]  # (V, F, 2 T)
    cosines = products[..., :texts].transpose(1, 2)  # (V, T, F)
    logits = products[..., texts:] * block["scale"].unsqueeze(-1)
    weights = torch.softmax(logits, dim=1).transpose(1, 2)  # (V, T, F)
    pooled = _pool(pooling, weights, block, constants["offset"])  # (V, T, D)
    scale = torch.exp(radius.log_radius(cosines))
    return _best_trial(text, pooled, scale, constants)


def _pool(pooling: FramePooling, weights: Tensor, block: VideoCache, offset: Tensor) -> Float[Tensor, "V T D"]:
    variance = ((weights @ block["gram"]) * weights).sum(dim=-1, keepdim=True)
    mixture = weights @ block["mixed"]
    last = pooling.norm_pooled
    return functional.layer_norm(
        mixture * torch.rsqrt(variance + EPSILON) + offset, (mixture.shape[-1],), last.weight, last.bias, EPSILON
    )


def _best_trial(
    text: Float[Tensor, "T D"], pooled: Float[Tensor, "V T D"], radius: Float[Tensor, "V T D"], constants: dict[str, Tensor]
) -> Float[Tensor, "V T"]:
    """Largest cosine of t + ε_s ⊙ R with the pooled video, from dot products instead of S random texts."""
    length = pooled.norm(dim=-1, keepdim=True)
    dot = (pooled * text).sum(dim=-1, keepdim=True) + (radius * pooled) @ constants["noise"]  # (V, T, S)
    squared = constants["text_squared"] + torch.einsum("vtd,tds->vts", radius, constants["noise_text"])
    squared = squared + radius.square() @ constants["noise_squared"]
    return (dot / (torch.sqrt(squared) * length)).amax(dim=-1)
