"""Scores from caches: a few texts one after another over large blocks of videos, many at once over small ones.

Everything large is written into buffers that are kept from block to block: new pages cost more than the arithmetic.
With few texts, blocks are as large as the handful of (V, D) arrays can be in the processor's cache. With many, frames
and mixtures of a few videos are widened and multiplied once for all texts, and everything of a pair lies in a column:
a product of S rows of noise with columns is a third faster than with rows, which are turned first.

Axes: T texts, V videos, F frames, D width, S trials, N pairs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import VideoCache, blocks
from coarse_to_fine.coarse_grained.t_mass.cached import SMALLEST, Constants, mixing_scales
from coarse_to_fine.cores import share

BLOCK_FLOATS = 2**18
"""V * D of one block for a text."""
PAIR_FLOATS = 2**19
"""V * D * T of one block for many texts; of smaller ones the cores wait for one another to start operations."""
LEAST_VIDEOS = 256
"""Of a core for few texts: with fewer, operations are so short that the cores wait for one another to start them."""
WIDENED_FLOATS = 2**18
"""V * F * D that are made float32 at once."""
TEXTS_AT_ONCE = 256
"""More of them make the products of frames and texts too large for the processor's cache."""
MANY_TEXTS = 10
"""Fewer are scored one after another: columns of so few pairs are slow."""
VIDEOS_AT_ONCE = 32
"""Whose frames meet all texts in one product."""


class Buffers:
    """Float32 memory by name, used again and again; of one thread."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held: dict[str, Tensor] = {}
        self._given: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int) -> Tensor:
        """Memory of this shape, its content undefined; what the name held before is overwritten."""
        given = self._given.get(name)
        if given is not None and given.shape == shape:
            return given
        numbers = math.prod(shape)
        held = self._held.get(name)
        with torch.inference_mode(False):  # else it could only be written to in inference mode
            if held is None or held.numel() < numbers:
                held = self._held[name] = torch.empty(numbers, device=self.device)
            given = self._given[name] = held[:numbers].view(shape)
        return given

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
        caches: at least one; a sequence is shared among the cores as a whole, others are taken one by one.
    """
    groups = [caches] if isinstance(caches, Sequence) else ([cache] for cache in caches)
    return torch.cat([_score_caches(known, text, group) for group in groups], dim=1)


def _score_caches(
    known: Sequence[Constants], text: Float[Tensor, "T D"], caches: Sequence[VideoCache]
) -> Float[Tensor, "T V"]:
    """Videos are shared among the cores; a graphics card takes them all at once."""
    ends = [*accumulate(len(cache["frames"]) for cache in caches)]
    scores = text.new_empty(len(text), ends[-1])

    def own_part(part: slice) -> None:
        for cache, end in zip(caches, ends):
            start = end - len(cache["frames"])
            first, last = max(start, part.start), min(end, part.stop)
            if first < last:
                score_block(_rows(cache, slice(first - start, last - start)), scores[:, first:last])

    def score_block(cache: VideoCache, own: Float[Tensor, "T V"]) -> None:
        for group, rows in zip(known, blocks(len(text), TEXTS_AT_ONCE)):
            score_part = _score_many if len(group.text) >= MANY_TEXTS else _score_few
            score_part(cache, group, own[rows])

    least = LEAST_VIDEOS if len(text) < MANY_TEXTS else VIDEOS_AT_ONCE
    share(own_part, scores.shape[1], least, text.device.type)
    return scores


def _rows(cache: VideoCache, part: slice) -> VideoCache:
    return {name: values[part] for name, values in cache.items()}


def _score_few(cache: VideoCache, known: Constants, scores: Float[Tensor, "T V"]) -> None:
    """A few texts, one after another over blocks whose frames are multiplied with all of them at once."""
    buffers = _buffers(scores.device)
    texts, width = known.text.shape
    for part in blocks(scores.shape[1], BLOCK_FLOATS // width):
        block = _rows(cache, part)
        products = _products(block["frames"], known.directions, buffers).view(2, texts, *block["frames"].shape[:2])
        products[0].mul_(block["inverse_norm"].to(scores.device))
        products[1].mul_(block["inverse_std"].to(scores.device))
        for text in range(texts):
            scores[text, part] = _score_text(block, known, text, products[:, text], buffers)


def _score_text(
    block: VideoCache, known: Constants, text: int, products: Float[Tensor, "2 V F"], buffers: Buffers
) -> Float[Tensor, " V"]:
    """All videos of a block for one text, from the cosines and the logits of its frames."""
    cosines, logits = products
    weights = torch.softmax(
        logits.unsqueeze(-1), dim=1
    )  # (V, F, 1); beside an axis of one it takes a third of the time
    scale, last = mixing_scales(weights, buffers.widened("forms", block["forms"]), known.weights.common_variance)
    pooled = _mixture((weights * scale.unsqueeze(1)).squeeze(-1), block["mixed"], buffers)
    pooled.addcmul_(last, known.weights.common[0]).add_(known.weights.common[1])
    out = buffers.get("radius", *pooled.shape)
    radius = torch.addmm(known.weights.radius[-1], cosines, known.weights.radius[:-1], out=out).exp2_()
    scaled = torch.mul(radius, pooled, out=buffers.get("scaled", *pooled.shape))
    own = known.text[text]
    dot = torch.addmm(pooled @ own, known.noise, scaled.T)  # (S, V)
    squared = torch.addmm(known.text_squared[text], known.noise * own, radius.T, alpha=2)
    squared.addmm_(known.noise_squared, radius.square_().T)
    length: Tensor = torch.linalg.vector_norm(pooled, dim=-1)
    return _best(dot, squared) / length


def _score_many(cache: VideoCache, known: Constants, scores: Float[Tensor, "T V"]) -> None:
    """Many texts at once over small blocks."""
    buffers = _buffers(scores.device)
    videos = max(1, PAIR_FLOATS // known.text.numel())
    text = known.text.T.contiguous()
    for part in blocks(scores.shape[1], max(VIDEOS_AT_ONCE, videos)):
        pairs = _pairs(_rows(cache, part), known, buffers)
        some = zip(*(torch.split(values, videos) for values in pairs))
        scores[:, part] = torch.cat([_score_pairs(Pairs(*own), known, text, buffers) for own in some]).T


class Pairs(NamedTuple):
    """What the scores of some videos with all texts are made of; columns are texts.

    Attributes:
        cosines: (V, F + 1, T) of the frames, and ones for the bias.
        mixed: (V, F + 2, D) of the videos, and what all have in common.
        mixing: (V, F + 2, T) the factors of these rows in the pooled video.
        with_text: (V, 1, T) products of pooled videos and texts.
        inverse_length: (V, T) 1 / length of the pooled video.
    """

    cosines: Tensor
    mixed: Tensor
    mixing: Tensor
    with_text: Tensor
    inverse_length: Tensor


def _pairs(block: VideoCache, known: Constants, buffers: Buffers) -> Pairs:
    videos, frames, width = block["frames"].shape
    texts, device = len(known.text), known.text.device
    rows = buffers.widened("frames", block["frames"]).reshape(-1, width)
    products = torch.mm(rows, known.directions.T, out=buffers.get("products", videos * frames, 2 * texts))
    products = products.view(videos, frames, 2 * texts)
    cosines = buffers.get("cosines", videos, frames + 1, texts)
    torch.mul(products[..., :texts], block["inverse_norm"].to(device).unsqueeze(-1), out=cosines[:, :frames])
    cosines[:, frames] = 1.0
    weights = torch.softmax(products[..., texts:] * block["inverse_std"].to(device).unsqueeze(-1), dim=1)  # (V, F, T)
    scale, last = mixing_scales(weights, buffers.widened("forms", block["forms"]), known.weights.common_variance)
    mixing = buffers.get("mixing", videos, frames + 2, texts)
    torch.mul(weights, scale.unsqueeze(1), out=mixing[:, :frames])
    mixing[:, frames], mixing[:, frames + 1] = last, 1.0
    mixed = buffers.get("mixed", videos, frames + 2, width)
    mixed[:, :frames], mixed[:, frames:] = block["mixed"], known.weights.common
    with_text = (mixed.view(-1, width) @ known.text.T).view_as(mixing).mul_(mixing).sum(dim=1, keepdim=True)
    squared = ((mixed @ mixed.mT) @ mixing).mul_(mixing).sum(dim=1)
    return Pairs(cosines, mixed, mixing, with_text, squared.clamp_(min=SMALLEST).rsqrt_())


def _score_pairs(pairs: Pairs, known: Constants, text: Float[Tensor, "D T"], buffers: Buffers) -> Float[Tensor, "V T"]:
    """The fewer operations, the better: the cores take turns in starting them."""
    videos = len(pairs.mixed)
    noise = known.noise.expand(videos, *known.noise.shape)
    weights = known.weights.radius.T.expand(videos, *known.weights.radius.T.shape)
    radius, scaled = buffers.get("radius", 2, videos, *text.shape)
    torch.bmm(weights, pairs.cosines, out=radius).exp2_()
    dot = torch.baddbmm(pairs.with_text, noise, torch.bmm(pairs.mixed.mT, pairs.mixing, out=scaled).mul_(radius))
    squared = torch.baddbmm(known.text_squared, noise, torch.mul(radius, text, out=scaled), alpha=2)
    squared.baddbmm_(known.noise_squared.expand_as(noise), radius.square_())
    return _best(dot, squared, dim=1).mul_(pairs.inverse_length)


def _best(dot: Tensor, squared: Tensor, dim: int = 0) -> Tensor:
    """The largest cosine of S random texts, times the length of the pooled video, from products and squared lengths."""
    best: Tensor = dot.mul_(squared.clamp_(min=SMALLEST).rsqrt_()).amax(dim=dim)
    return best


def _products(
    frames: Float[Tensor, "V F D"], directions: Float[Tensor, "2*T D"], buffers: Buffers
) -> Float[Tensor, "2*T V*F"]:
    """Of each frame with all directions."""
    rows = frames.flatten(0, 1)
    size = _rows_at_once(frames)
    products = buffers.get("products", len(directions), len(rows))
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
