"""Scores from caches: one text over large blocks of videos, or many texts over blocks that each is read once for.

Everything large is written into buffers that are kept from block to block: new pages cost more than the arithmetic.
With one text, blocks are as large as the handful of (V, D) arrays can be in the processor's cache. With many, frames
and mixtures of a few videos are widened and multiplied once for all texts, and the trials of their pairs are products
of S rows: S is so small that noise times pairs fills the registers, pairs times noise does not.

Axes: T texts, V videos, F frames, D width, S trials, N pairs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import VideoCache, blocks
from coarse_to_fine.coarse_grained.t_mass.cached import SMALLEST, Constants, mixing_scales
from coarse_to_fine.cores import share

BLOCK_FLOATS = 2**18
"""N * D of one block."""
LEAST_PAIRS = 128
"""Below this number of pairs a core, sharing costs more than it saves."""
WIDENED_FLOATS = 2**18
"""V * F * D that are made float32 at once."""
TEXTS_AT_ONCE = 256
"""More of them make the products of frames and texts too large for the processor's cache."""
TEXTS_A_BLOCK = 64
"""Of the pairs of a block; products of fewer texts with a video's mixtures are slow."""
VIDEOS_AT_ONCE = 32
"""Whose frames meet all texts in one product."""


class Buffers:
    """Float32 memory by name, used again and again; of one thread."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int) -> Tensor:
        """Memory of this shape, its content undefined; what the name held before is overwritten."""
        numbers = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.numel() < numbers:
            with torch.inference_mode(False):  # else it could only be written to in inference mode
                held = self._held[name] = torch.empty(numbers, device=self.device)
        return held[:numbers].view(shape)

    def widened(self, name: str, values: Tensor) -> Tensor:
        """The values in float32 on this device: themselves where they are, else a copy in the buffer."""
        if values.dtype == torch.float32 and values.device == self.device:
            return values
        return self.get(name, *values.shape).copy_(values)

    def widened_parts(self, name: str, values: Float[Tensor, "N D"], rows: int) -> Iterator[Tensor]:
        """The same for a few rows at a time, each in the place of the one before."""
        wide = values.dtype == torch.float32 and values.device == self.device
        held = values if wide else self.get(name, min(rows, len(values)), values.shape[1])
        for some in torch.split(values, rows):
            yield some if wide else (held if len(some) == len(held) else held[: len(some)]).copy_(some)


_held = threading.local()


def _buffers(device: torch.device) -> Buffers:
    """Those of this thread: a few megabytes that stay from search to search."""
    held: Buffers | None = getattr(_held, "buffers", None)
    if held is None or held.device != device:
        held = _held.buffers = Buffers(device)
    return held


def score(known: Sequence[Constants], text: Float[Tensor, "T D"], caches: Iterable[VideoCache]) -> Float[Tensor, "T V"]:
    """Scores of all pairs, block by block; caches in float16 or on another device are converted so too.

    Args:
        known: of `TEXTS_AT_ONCE` texts each, in their order.
        text: all of them.
        caches: at least one.
    """
    return torch.cat([_score_cache(known, text, cache) for cache in caches], dim=1)


def _score_cache(known: Sequence[Constants], text: Float[Tensor, "T D"], cache: VideoCache) -> Float[Tensor, "T V"]:
    """Videos are shared among the cores; a graphics card takes them all at once."""
    scores = text.new_empty(len(text), len(cache["frames"]))
    score_part = _score_one_text if len(text) == 1 else _score_texts

    def own_part(part: slice) -> None:
        score_part(known, _rows(cache, part), scores[:, part])

    least = max(VIDEOS_AT_ONCE, LEAST_PAIRS // max(1, len(text)))
    share(own_part, scores.shape[1], least, text.device.type)
    return scores


def _score_one_text(known: Sequence[Constants], cache: VideoCache, scores: Float[Tensor, "1 V"]) -> None:
    buffers = _buffers(scores.device)
    for part in blocks(scores.shape[1], BLOCK_FLOATS // known[0].text.shape[1]):
        scores[0, part] = _score_one(_rows(cache, part), known[0], buffers)


def _score_texts(known: Sequence[Constants], cache: VideoCache, scores: Float[Tensor, "T V"]) -> None:
    buffers = _buffers(scores.device)
    for group, rows in zip(known, blocks(len(scores), TEXTS_AT_ONCE)):
        videos = max(1, BLOCK_FLOATS // (group.text.shape[1] * min(len(group.text), TEXTS_A_BLOCK)))
        for part in blocks(scores.shape[1], max(VIDEOS_AT_ONCE, videos)):
            _score_many(_rows(cache, part), group, buffers, videos, scores[rows, part])


def _rows(cache: VideoCache, part: slice) -> VideoCache:
    return {name: values[part] for name, values in cache.items()}


def _score_one(block: VideoCache, known: Constants, buffers: Buffers) -> Float[Tensor, " V"]:
    """All videos of a block for one text."""
    videos, frames, width = block["frames"].shape
    products = _products(block["frames"], known.directions, buffers).view(2, videos, frames)
    cosines = products[0].mul_(block["inverse_norm"].to(products.device))
    logits = products[1].mul_(block["inverse_std"].to(products.device)).unsqueeze(-1)
    weights = torch.softmax(logits, dim=1).mT  # (V, 1, F); beside an axis of one, softmax takes a third of the time
    scale, last = mixing_scales(weights, buffers.widened("forms", block["forms"]), known.weights.common_variance)
    pooled = _mixture((weights * scale.unsqueeze(-1)).squeeze(1), block["mixed"], buffers)
    pooled.addcmul_(last, known.weights.common[0]).add_(known.weights.common[1])
    radius = _radius(cosines, known, buffers)
    scaled = torch.mul(radius, pooled, out=buffers.get("scaled", videos, width))
    dot = torch.addmm(pooled @ known.text[0], known.noise, scaled.T)  # (S, V)
    squared = (2 * known.noise * known.text) @ radius.T
    squared.addmm_(known.noise_squared, radius.square_().T).add_(known.text_squared)
    return _best_cosine(dot, squared, pooled)


def _score_many(
    block: VideoCache, known: Constants, buffers: Buffers, videos_a_block: int, scores: Float[Tensor, "T V"]
) -> None:
    """All texts and all videos of a block, written into `scores`."""
    videos, frames, width = block["frames"].shape
    texts = len(known.text)
    rows = buffers.widened("frames", block["frames"]).reshape(-1, width)
    products = torch.mm(rows, known.directions.T, out=buffers.get("products", videos * frames, 2 * texts))
    cosines, weights = _cosines_and_weights(products.view(videos, frames, 2 * texts), block)
    scale, last = mixing_scales(weights, buffers.widened("forms", block["forms"]), known.weights.common_variance)
    mixing = buffers.get("mixing", videos, texts, frames + 2)
    torch.mul(weights, scale.unsqueeze(-1), out=mixing[..., :frames])
    mixing[..., frames], mixing[..., frames + 1] = last, 1.0
    mixed = buffers.get("mixed", videos, frames + 2, width)
    mixed[:, :frames], mixed[:, frames:] = block["mixed"], known.weights.common
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
    radius = _radius(cosines.reshape(pairs, frames), known, buffers)
    scaled = buffers.get("scaled", 2, videos, texts, width)
    torch.mul(radius.view_as(pooled), pooled, out=scaled[0])
    torch.mul(radius.view_as(pooled), text, out=scaled[1])
    dot, cross = (known.noise @ scaled.view(2 * pairs, width).T).view(-1, 2, pairs).unbind(1)  # (S, N)
    squared = known.noise_squared @ radius.square_().T
    squared.add_(cross, alpha=2).add_(known.text_squared[asked].expand(videos, texts).reshape(pairs))
    with_text = torch.mul(pooled, text, out=scaled[0]).sum(dim=-1).view(pairs)
    return _best_cosine(dot.add_(with_text), squared, pooled.view(pairs, width)).view(videos, texts)


def _radius(cosines: Float[Tensor, "N F"], known: Constants, buffers: Buffers) -> Float[Tensor, "N D"]:
    weights = known.weights
    out = buffers.get("radius", len(cosines), weights.radius_bias.shape[0])
    return torch.addmm(weights.radius_bias, cosines, weights.radius_weight, out=out).exp2_()


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


def _products(
    frames: Float[Tensor, "V F D"], directions: Float[Tensor, "2 D"], buffers: Buffers
) -> Float[Tensor, "2 V*F"]:
    """Of each frame with both directions."""
    rows = frames.flatten(0, 1)
    size = _rows_at_once(frames)
    products = buffers.get("products", 2, len(rows))
    for some, out in zip(buffers.widened_parts("frames", rows, size), torch.split(products, size, dim=1)):
        torch.mm(directions, some.T, out=out)
    return products


def _mixture(weights: Float[Tensor, "V F"], mixed: Float[Tensor, "V F D"], buffers: Buffers) -> Float[Tensor, "V D"]:
    """Weighted sums of each video's rows; as a sum over a table, which is faster than a product of one row a video."""
    videos, frames, width = mixed.shape
    size = _rows_at_once(mixed)
    numbers = torch.arange(min(size, videos * frames), device=weights.device).view(-1, frames)
    tables = buffers.widened_parts("mixed", mixed.flatten(0, 1), size)
    sums = [
        functional.embedding_bag(numbers[: len(own)], table, mode="sum", per_sample_weights=own)
        for table, own in zip(tables, torch.split(weights, size // frames))
    ]
    return sums[0] if len(sums) == 1 else torch.cat(sums, out=buffers.get("mixture", videos, width))


def _rows_at_once(values: Float[Tensor, "V F D"]) -> int:
    """Of whole videos: all of them where nothing is widened."""
    videos, frames, width = values.shape
    whole = values.dtype == torch.float32
    return frames * (videos if whole else max(1, WIDENED_FLOATS // (frames * width)))
