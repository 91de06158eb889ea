"""The score of T-MASS with everything that depends on the videos alone computed beforehand; one pooling head.

Exact, not an approximation: the weights of the pooling sum to one, so the output projection, the statistics of the
layer norms and the last linear layer can be applied to the frames before the text is known. Per pair remain 2 F D
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

SMALLEST = 1e-12
"""Of a squared length, which rounding must not make negative."""
BLOCK_FLOATS = 2**18
"""V * T * D of one block: its handful of arrays stay in the processor's cache."""
TEXTS_AT_ONCE = 16
"""More of them leave a block too few videos for its products to be fast."""
INDEX_BLOCK = 1024
"""Videos that are prepared at once."""


def video_cache(pooling: FramePooling, frames: Float[Tensor, "V F D"]) -> VideoCache:
    """What is stored of each video.

    Returns:
        frames: (V, F, D) as given, in their own dtype.
        mixed: (V, F, D) Z_f = (I + Wl)(γ2 ⊙ Ū_f), Ū_f = U_f minus its mean over D, U_f = Wo(Wu LN1(f) + bu) + bo.
        gram: (V, F, F) Ū Ūᵀ / D, the variance of every mixture.
        inverse_norm: (V, F) 1 / ||f||, 0 for a zero frame.
        inverse_std: (V, F) 1 / std(f).
    """
    parts = [_derived(pooling, frames[part]) for part in blocks(len(frames), INDEX_BLOCK)]
    if not parts:
        parts = [_derived(pooling, frames)]
    return {"frames": frames, **{name: torch.cat([part[name] for part in parts]) for name in parts[0]}}


def _derived(pooling: FramePooling, frames: Float[Tensor, "V F D"]) -> VideoCache:
    frames = frames.to(pooling.key.weight.device, torch.float32)
    width = frames.shape[-1]
    values = pooling.output(pooling.value(pooling.norm_input(frames)))
    centred = values - values.mean(dim=-1, keepdim=True)
    weighted = centred * pooling.norm_attended.weight
    norm = frames.norm(dim=-1)
    variance = (frames - frames.mean(dim=-1, keepdim=True)).square().mean(dim=-1)
    return {
        "mixed": weighted + functional.linear(weighted, pooling.linear.weight),
        "gram": centred @ centred.transpose(1, 2) / width,
        "inverse_norm": torch.where(norm > 0, 1 / norm, torch.zeros_like(norm)),
        "inverse_std": torch.rsqrt(variance + EPSILON),
    }


def score(
    pooling: FramePooling,
    radius: Radius,
    text: Float[Tensor, "T D"],
    cache: VideoCache,
    noise: Float[Tensor, "S D"],
) -> Float[Tensor, "T V"]:
    """Scores of all pairs, block by block; a cache in float16 or on another device is converted so too."""
    count = len(cache["frames"])
    scores = text.new_empty(len(text), count)
    for rows in blocks(len(text), TEXTS_AT_ONCE):
        asked = text[rows]
        constants = _constants(pooling, radius, asked, noise)
        for part in blocks(count, BLOCK_FLOATS // asked.numel()):
            block = {name: tensor[part].to(text.device, torch.float32) for name, tensor in cache.items()}
            scores[rows, part] = _score_block(pooling, asked, block, constants).T
    return scores


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
        constants = _constants(pooling, radius, one, noise)
        for part in blocks(len(frames), BLOCK_FLOATS // one.numel()):
            block = frames[part].to(text.device, torch.float32)
            norm = block.norm(dim=-1)
            inverse_norm = torch.where(norm > 0, 1 / norm, torch.zeros_like(norm))
            normed = pooling.norm_input(block)
            products = functional.linear(block, constants["directions"])  # (V, F, 2)
            inverse_std = torch.rsqrt(block.var(dim=-1, correction=0) + EPSILON)
            weights = torch.softmax(products[..., 1] * inverse_std, dim=1).unsqueeze(1)  # (V, 1, F)
            pooled = pooling.project(pooling.output(pooling.value(weights @ normed)))  # (V, 1, D)
            cosines = (products[..., 0] * inverse_norm).unsqueeze(1)
            scores[row, part] = _best_trial(one, pooled, cosines, constants).T[0]
    return scores


def _constants(pooling: FramePooling, radius: Radius, text: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """What depends on texts and weights only; matrices as (out, in), the layout in which a narrow product is fast."""
    binary = 1 / math.log(2)
    width = text.shape[1]
    query = pooling.query(pooling.norm_input(text)) @ pooling.key.weight * pooling.norm_input.weight
    query = (query - query.mean(dim=-1, keepdim=True)) / math.sqrt(width)  # takes the mean of each frame out as well
    bias = pooling.norm_attended.bias
    return {
        "directions": torch.cat([unit(text), query]),  # (2 T, D)
        "offset": bias + functional.linear(bias, pooling.linear.weight, pooling.linear.bias),
        "radius_weight": radius.linear.weight * binary,  # powers of 2 cost a third of powers of e
        "radius_bias": radius.linear.bias * binary,
        "noise": noise,
        "noise_squared": noise.square(),
        "noise_text": 2 * text.unsqueeze(1) * noise,  # (T, S, D)
        "text_squared": text.square().sum(dim=-1),
    }


def _score_block(
    pooling: FramePooling, text: Tensor, block: VideoCache, constants: dict[str, Tensor]
) -> Float[Tensor, "V T"]:
    texts = len(text)
    products = functional.linear(block["frames"], constants["directions"])  # (V, F, 2 T)
    cosines = (products[..., :texts] * block["inverse_norm"].unsqueeze(-1)).transpose(1, 2)  # (V, T, F)
    logits = products[..., texts:] * block["inverse_std"].unsqueeze(-1)
    weights = torch.softmax(logits, dim=1).transpose(1, 2)  # (V, T, F)
    pooled = _pool(pooling, weights, block, constants["offset"])  # (V, T, D)
    return _best_trial(text, pooled, cosines, constants)


def _pool(pooling: FramePooling, weights: Tensor, block: VideoCache, offset: Tensor) -> Float[Tensor, "V T D"]:
    variance = ((weights @ block["gram"]) * weights).sum(dim=-1, keepdim=True)
    mixture = _mix(weights, block["mixed"])
    last = pooling.norm_pooled
    mixture = torch.addcmul(offset, mixture, torch.rsqrt(variance + EPSILON))
    return functional.layer_norm(mixture, offset.shape, last.weight, last.bias, EPSILON)


def _mix(weights: Float[Tensor, "V T F"], mixed: Float[Tensor, "V F D"]) -> Float[Tensor, "V T D"]:
    """weights @ mixed; for one text as a weighted sum of rows, which is faster than a batched product."""
    videos, texts, frames = weights.shape
    if texts > 1:
        return weights @ mixed
    rows = torch.arange(videos * frames, device=mixed.device).view(videos, frames)
    table = mixed.reshape(videos * frames, -1)
    return functional.embedding_bag(rows, table, mode="sum", per_sample_weights=weights[:, 0]).unsqueeze(1)


def _best_trial(
    text: Float[Tensor, "T D"],
    pooled: Float[Tensor, "V T D"],
    cosines: Float[Tensor, "V T F"],
    constants: dict[str, Tensor],
) -> Float[Tensor, "V T"]:
    """Largest cosine of t + ε_s ⊙ R with the pooled video, from dot products instead of S random texts.

    Products are noise times pairs, not pairs times noise: S is so small that only the pairs fill the registers.
    """
    videos, texts, width = pooled.shape
    radius = torch.exp2(functional.linear(cosines, constants["radius_weight"], constants["radius_bias"]))  # (V, T, D)
    dot = constants["noise"] @ (radius * pooled).view(-1, width).T  # (S, V T)
    cross = constants["noise_text"] @ radius.permute(1, 2, 0)  # (T, S, V)
    squared = constants["noise_squared"] @ radius.square_().view(-1, width).T  # (S, V T)
    squared = squared.view(-1, videos, texts) + cross.permute(1, 2, 0) + constants["text_squared"]
    dot = dot.view(-1, videos, texts) + torch.linalg.vecdot(pooled, text)
    best: Tensor = (dot * torch.rsqrt(squared.clamp(min=SMALLEST))).amax(dim=0)
    length: Tensor = pooled.norm(dim=-1)
    return best / length
