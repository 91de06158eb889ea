"""Scores from caches: one text over large blocks of videos, or many texts over blocks that each is read once for.

Everything large is written into buffers that are kept from block to block: new pages cost more than the arithmetic.
With one text, blocks are as large as the handful of (V, D) arrays can be in the processor's cache. With many, frames
and mixtures of a few videos are widened and multiplied once for all texts, and the trials of their pairs are products
of S rows: S is so small that noise times pairs fills the registers, pairs times noise does not.

Axes: T texts, V videos, F frames, D width, S trials, N pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import VideoCache, blocks
from coarse_to_fine.coarse_grained.t_mass.cached import SMALLEST, Constants, constants, mixing_scales
from coarse_to_fine.coarse_grained.t_mass.pooling import FramePooling
from coarse_to_fine.coarse_grained.t_mass.stochastic import Radius

BLOCK_FLOATS = 2**18
"""N * D of one block, for each thread."""
WIDENED_FLOATS = 2**18
"""V * F * D that are made float32 at once."""
TEXTS_AT_ONCE = 256
"""More of them make the products of frames and texts too large for the processor's cache."""
TEXTS_A_BLOCK = 64
"""Of the pairs of a block; products of fewer texts with a video's mixtures are slow."""
VIDEOS_AT_ONCE = 32
"""Whose frames meet all texts in one product."""


class Buffers:
    """Float32 memory by name, used again and again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._held: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int) -> Tensor:
        """Memory of this shape, its content undefined; what the name held before is overwritten."""
        numbers = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.numel() < numbers:
            held = self._held[name] = torch.empty(numbers, device=self._device)
        return held[:numbers].view(shape)

    def widened(self, name: str, values: Tensor) -> Tensor:
        """The values in float32 on this device: themselves where they are, else a copy in the buffer."""
        if values.dtype == torch.float32 and values.device == self._device:
            return values
        return self.get(name, *values.shape).copy_(values)


def score(
    pooling: FramePooling,
    radius: Radius,
    text: Float[Tensor, "T D"],
    caches: Iterable[VideoCache],
    noise: Float[Tensor, "S D"],
) -> Float[Tensor, "T V"]:
    """Scores of all pairs, block by block; caches in float16 or on another device are converted so too."""
    known = [constants(pooling, radius, text[rows], noise) for rows in blocks(len(text), TEXTS_AT_ONCE)]
    buffers = Buffers(text.device)
    return torch.cat([_score_cache(known, text, cache, buffers) for cache in caches], dim=1)


def _score_cache(
    known: Sequence[Constants], text: Float[Tensor, "T D"], cache: VideoCache, buffers: Buffers
) -> Float[Tensor, "T V"]:
    count = len(cache["frames"])
    pairs = BLOCK_FLOATS * torch.get_num_threads() // text.shape[1]
    scores = text.new_empty(len(text), count)
    if len(text) == 1:
        for part in blocks(count, pairs):
            scores[0, part] = _score_one(_rows(cache, part), known[0], buffers)
        return scores
    for group, rows in zip(known, blocks(len(text), TEXTS_AT_ONCE)):
        videos = max(1, pairs // min(len(group.text), TEXTS_A_BLOCK))
        for part in blocks(count, max(VIDEOS_AT_ONCE, videos)):
            _score_many(_rows(cache, part), group, buffers, videos, scores[rows, part])
    return scores


def _rows(cache: VideoCache, part: slice) -> VideoCache:
    return {name: values[part] for name, values in cache.items()}


def _score_one(block: VideoCache, known: Constants, buffers: Buffers) -> Float[Tensor, " V"]:
    """All videos of a block for one text."""
    videos, frames, width = block["frames"].shape
    products = buffers.get("products", videos, frames, 2)
    for part in _chunks(block["frames"]):
        rows = buffers.widened("frames", block["frames"][part]).reshape(-1, width)
        torch.mm(rows, known.directions.T, out=products[part].view(-1, 2))
    cosines, weights = _cosines_and_weights(products, block)
    scale, last = mixing_scales(weights, buffers.widened("forms", block["forms"]), known.common_variance)
    pooled = _mixture((weights * scale.unsqueeze(-1)).squeeze(1), block["mixed"], buffers)
    pooled.addmm_(torch.cat([last, torch.ones_like(last)], dim=1), known.common)
    radius = torch.addmm(
        known.radius_bias, cosines.view(videos, frames), known.radius_weight, out=buffers.get("radius", videos, width)
    )
    radius.exp2_()
    scaled = torch.mul(radius, pooled, out=buffers.get("scaled", videos, width))
    dot = (known.noise @ scaled.T).add_(pooled @ known.text[0])  # (S, V)
    squared = (2 * known.noise * known.text) @ radius.T
    squared.addmm_(known.noise_squared, radius.square_().T)
    return _best_cosine(dot, squared.add_(known.text_squared), pooled)


def _score_many(
    block: VideoCache, known: Constants, buffers: Buffers, videos_a_block: int, scores: Float[Tensor, "T V"]
) -> None:
    """All texts and all videos of a block, written into `scores`."""
    videos, frames, width = block["frames"].shape
    texts = len(known.text)
    rows = buffers.widened("frames", block["frames"]).reshape(-1, width)
    products = torch.mm(rows, known.directions.T, out=buffers.get("products", videos * frames, 2 * texts))
    cosines, weights = _cosines_and_weights(products.view(videos, frames, 2 * texts), block)
    scale, last = mixing_scales(weights, buffers.widened("forms", block["forms"]), known.common_variance)
    mixing = buffers.get("mixing", videos, texts, frames + 2)
    torch.mul(weights, scale.unsqueeze(-1), out=mixing[..., :frames])
    mixing[..., frames], mixing[..., frames + 1] = last, 1.0
    mixed = buffers.get("mixed", videos, frames + 2, width)
    mixed[:, :frames], mixed[:, frames:] = block["mixed"], known.common
    for own in blocks(videos, videos_a_block):
        for asked in blocks(texts, TEXTS_A_BLOCK):
            best = _score_pairs(mixing[own, asked], mixed[own], cosines[own, asked], known, asked, buffers)
            scores[asked, own] = best.T


def _score_pairs(
    mixing: Float[Tensor, "V T F+2"],
    mixed: Float[Tensor, "V F+2 D"],
    cosines: Float[Tensor, "V T F"],
    known: Constants,
    asked: slice,
    buffers: Buffers,
) -> Float[Tensor, "V T"]:
    """Pairs of a few videos and the texts `asked`."""
    videos, texts, frames = cosines.shape
    pairs, width = videos * texts, mixed.shape[-1]
    text = known.text[asked]
    pooled = torch.bmm(mixing, mixed, out=buffers.get("pooled", videos, texts, width))
    radius = torch.addmm(
        known.radius_bias, cosines.reshape(pairs, frames), known.radius_weight, out=buffers.get("radius", pairs, width)
    )
    radius.exp2_()
    scaled = buffers.get("scaled", 2, videos, texts, width)
    torch.mul(radius.view_as(pooled), pooled, out=scaled[0])
    torch.mul(radius.view_as(pooled), text, out=scaled[1])
    dot, cross = (known.noise @ scaled.view(2 * pairs, width).T).view(-1, 2, pairs).unbind(1)  # (S, N)
    squared = known.noise_squared @ radius.square_().T
    squared.add_(cross, alpha=2).add_(known.text_squared[asked].expand(videos, texts).reshape(pairs))
    with_text = torch.mul(pooled, text, out=scaled[0]).sum(dim=-1).view(pairs)
    return _best_cosine(dot.add_(with_text), squared, pooled.view(pairs, width)).view(videos, texts)


def _best_cosine(
    dot: Float[Tensor, "S N"], squared: Float[Tensor, "S N"], pooled: Float[Tensor, "N D"]
) -> Float[Tensor, " N"]:
    """The largest cosine of S random texts with a pooled video, from their dot products and squared lengths."""
    best: Tensor = dot.mul_(squared.clamp_(min=SMALLEST).rsqrt_()).amax(dim=0)
    length: Tensor = torch.linalg.vector_norm(pooled, dim=-1)
    return best / length


def _cosines_and_weights(
    products: Float[Tensor, "V F 2*T"], block: VideoCache
) -> tuple[Float[Tensor, "V T F"], Float[Tensor, "V T F"]]:
    """Cosines of texts and frames, and how the pooling weighs the frames for each text."""
    texts = products.shape[-1] // 2
    device = products.device
    lengths, spreads = block["inverse_norm"].to(device), block["inverse_std"].to(device)
    cosines = products[..., :texts] * lengths.unsqueeze(-1)
    weights = torch.softmax(products[..., texts:] * spreads.unsqueeze(-1), dim=1)
    return cosines.transpose(1, 2).contiguous(), weights.transpose(1, 2).contiguous()


def _mixture(weights: Float[Tensor, "V F"], mixed: Float[Tensor, "V F D"], buffers: Buffers) -> Float[Tensor, "V D"]:
    """Weighted sums of each video's rows; as a sum over a table, which is faster than a product of one row a video."""
    videos, frames, width = mixed.shape
    rows = torch.arange(videos * frames, device=weights.device).view(videos, frames)
    if mixed.dtype == torch.float32 and mixed.device == weights.device:
        return functional.embedding_bag(rows, mixed.reshape(-1, width), mode="sum", per_sample_weights=weights)
    out = buffers.get("mixture", videos, width)
    for part in _chunks(mixed):
        table = buffers.widened("mixed", mixed[part]).view(-1, width)
        own = rows[: part.stop - part.start]
        out[part] = functional.embedding_bag(own, table, mode="sum", per_sample_weights=weights[part])
    return out


def _chunks(values: Float[Tensor, "V F D"]) -> list[slice]:
    """All at once where nothing is widened."""
    numbers = values.shape[1] * values.shape[2]
    whole = values.dtype == torch.float32
    return list(blocks(len(values), len(values) if whole else WIDENED_FLOATS // numbers))
