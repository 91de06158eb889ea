"""Scores from caches: a few texts one after another over large blocks of videos, many at once over small ones.

Everything large is written into buffers that are kept from block to block: new pages cost more than the arithmetic.
With few texts, blocks are as large as the handful of (V, D) arrays can be in the processor's cache. With many, frames
and mixtures of a few videos are widened and multiplied once for all texts, and everything of a pair lies in a column:
a product of S rows of noise with columns is a third faster than with rows, which are turned first.

Axes: T texts, V videos, F frames, D width, S trials, N pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import VideoCache, blocks
from coarse_to_fine.coarse_grained.t_mass.buffers import Buffers, buffers_of_thread
from coarse_to_fine.coarse_grained.t_mass.cached import SMALLEST, Constants, best, best_trial, mixing_scales
from coarse_to_fine.cores import cores_for

BLOCK_FLOATS = 2**18
"""V * D of one block for a text, and for each core."""
PAIR_FLOATS = 2**17
"""V * D * T of one block for many texts, for each core."""
SHARED_PAIRS = 256
"""From which on operations are divided among the cores."""
WIDENED_FLOATS = 2**18
"""V * F * D that are made float32 at once."""
TEXTS_AT_ONCE = 256
"""More of them make the products of frames and texts too large for the processor's cache."""
MANY_TEXTS = 10
"""Fewer are scored one after another: columns of so few pairs are slow."""
VIDEOS_AT_ONCE = 64
"""Whose frames meet all texts in one product."""


def score(known: Sequence[Constants], text: Float[Tensor, "T D"], caches: Iterable[VideoCache]) -> Float[Tensor, "T V"]:
    """Scores of all pairs, block by block; caches in float16 or on another device are converted so too.

    Args:
        known: of `TEXTS_AT_ONCE` texts each, in their order.
        text: all of them.
        caches: at least one.
    """
    return torch.cat([_score_cache(known, text, cache) for cache in caches], dim=1)


def _score_cache(known: Sequence[Constants], text: Float[Tensor, "T D"], cache: VideoCache) -> Float[Tensor, "T V"]:
    scores = text.new_empty(len(text), len(cache["frames"]))
    for group, own in zip(known, torch.split(scores, TEXTS_AT_ONCE)):
        score_part = _score_many if len(own) >= MANY_TEXTS else _score_few
        with cores_for(score_part.__name__, own.numel(), SHARED_PAIRS):
            score_part(cache, group, own)
    return scores


def _rows(cache: VideoCache, part: slice) -> VideoCache:
    return {name: values[part] for name, values in cache.items()}


def _score_few(cache: VideoCache, known: Constants, scores: Float[Tensor, "T V"]) -> None:
    """A few texts, one after another over blocks whose frames are multiplied with all of them at once."""
    buffers = buffers_of_thread(scores.device)
    texts, width = known.text.shape
    for part in blocks(scores.shape[1], torch.get_num_threads() * BLOCK_FLOATS // width):
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
    weights = torch.softmax(logits.unsqueeze(-1), dim=1)  # (V, F, 1): beside an axis of one in a third of the time
    sums = _weighted_sums("forms", block["forms"], weights.squeeze(-1), buffers)
    squares = torch.bmm(sums[:, :-1].view(len(sums), 2, -1), weights)
    scale, last = mixing_scales(squares, sums[:, -1:], known.weights.common_variance)
    pooled = _weighted_sums("mixed", block["mixed"], (weights * scale.unsqueeze(1)).squeeze(-1), buffers)
    pooled.addcmul_(last, known.weights.common[0]).add_(known.weights.common[1])
    radius = known.weights.power(torch.mm(cosines, known.weights.radius, out=buffers.get("radius", *pooled.shape)))
    return best_trial(pooled, radius, known, text)


def _score_many(cache: VideoCache, known: Constants, scores: Float[Tensor, "T V"]) -> None:
    """Many texts at once over small blocks."""
    buffers = buffers_of_thread(scores.device)
    columns = Columns.of(known)
    at_once = max(1, torch.get_num_threads() * PAIR_FLOATS // known.text.numel())
    for part in blocks(scores.shape[1], max(VIDEOS_AT_ONCE, at_once)):
        pairs = _pairs(_rows(cache, part), known, columns, buffers)
        dot, longer = _trials(pairs, known, columns, buffers, at_once)
        found = best(dot.add_(pairs.with_text), longer.add_(known.text_squared), dim=1)
        scores[:, part] = found.mul_(pairs.inverse_length).T


class Columns(NamedTuple):
    """What the texts multiply from the right, a column each.

    Attributes:
        text: (D, T).
        directions: (D, 2 T).
        with_common: (2, T) their products with what all pooled videos have in common.
    """

    text: Tensor
    directions: Tensor
    with_common: Tensor

    @classmethod
    def of(cls, known: Constants) -> Columns:
        text = known.text.T.contiguous()
        return cls(text, known.directions.T.contiguous(), known.weights.common @ text)


class Pairs(NamedTuple):
    """What the scores of some videos with all texts are made of; columns are texts.

    Attributes:
        cosines: (V, F, T) of the frames.
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


def _pairs(block: VideoCache, known: Constants, columns: Columns, buffers: Buffers) -> Pairs:
    videos, frames, width = block["frames"].shape
    texts, device = len(known.text), known.text.device
    rows = buffers.widened("frames", block["frames"]).reshape(-1, width)
    products = torch.mm(rows, columns.directions, out=buffers.get("products", videos * frames, 2 * texts))
    products = products.view(videos, frames, 2 * texts)
    cosines = buffers.get("cosines", videos, frames, texts)
    torch.mul(products[..., :texts], block["inverse_norm"].to(device).unsqueeze(-1), out=cosines)
    weights = torch.softmax(products[..., texts:] * block["inverse_std"].to(device).unsqueeze(-1), dim=1)  # (V, F, T)
    sums = buffers.widened("forms", block["forms"]).mT.contiguous() @ weights  # (V, 2 F + 1, T)
    squares = sums[:, :-1].view(videos, 2, frames, texts).mul_(weights.unsqueeze(1)).sum(dim=2)
    scale, last = mixing_scales(squares, sums[:, -1], known.weights.common_variance)
    mixing = buffers.get("mixing", videos, frames + 2, texts)
    torch.mul(weights, scale.unsqueeze(1), out=mixing[:, :frames])
    mixing[:, frames], mixing[:, frames + 1] = last, 1.0
    mixed = buffers.get("mixed", videos, frames + 2, width)
    mixed[:, :frames], mixed[:, frames:] = block["mixed"], known.weights.common
    with_text = torch.bmm(mixed[:, :frames], columns.text.expand(videos, -1, -1)).mul_(mixing[:, :frames]).sum(dim=1)
    with_text = with_text.addcmul_(last, columns.with_common[0]).add_(columns.with_common[1]).unsqueeze(1)
    squared = (block["products"].to(device) @ mixing).mul_(mixing).sum(dim=1)
    return Pairs(cosines, mixed, mixing, with_text, squared.clamp_(min=SMALLEST).rsqrt_())


def _trials(
    pairs: Pairs, known: Constants, columns: Columns, buffers: Buffers, videos: int
) -> tuple[Float[Tensor, "V S T"], Float[Tensor, "V S T"]]:
    """Of random texts less the texts: their products with the pooled videos, and by what they are longer.

    A few videos at a time, in few operations: what they need beside the arithmetic counts.
    """
    width, texts = columns.text.shape
    shape = (len(pairs.mixed), len(known.noise), texts)
    found = buffers.get("dot", *shape), buffers.get("longer", *shape)
    spaces = [buffers.get(name, videos, width, texts) for name in ("radius", "scaled")]
    matrices = [each.expand(videos, -1, -1) for each in (known.weights.radius.T, known.noise, known.noise_squared)]
    power = known.weights.power
    for own in zip(*(torch.split(each, videos) for each in (pairs.cosines, pairs.mixed.mT, pairs.mixing, *found))):
        cosines, mixed, mixing, dot, longer = own
        if len(dot) < videos:
            spaces, matrices = ([each[: len(dot)] for each in group] for group in (spaces, matrices))
        (radius, scaled), (weights, noise, noise_squared) = spaces, matrices
        power(torch.bmm(weights, cosines, out=radius))
        torch.bmm(noise, torch.bmm(mixed, mixing, out=scaled).mul_(radius), out=dot)
        torch.bmm(noise_squared, torch.mul(radius, radius, out=scaled), out=longer)
        longer.baddbmm_(noise, radius.mul_(columns.text), alpha=2)
    return found


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


def _weighted_sums(
    name: str, values: Float[Tensor, "V F X"], weights: Float[Tensor, "V F"], buffers: Buffers
) -> Float[Tensor, "V X"]:
    """Sums of each video's rows; over a table, which is faster than a product of one row a video."""
    videos, frames, width = values.shape
    size = _rows_at_once(values)
    numbers = torch.arange(min(size, videos * frames), device=weights.device).view(-1, frames)
    tables = buffers.widened_parts(name, values.flatten(0, 1), size)
    sums = [
        functional.embedding_bag(numbers[: len(own)], table, mode="sum", per_sample_weights=own)
        for table, own in zip(tables, torch.split(weights, size // frames))
    ]
    return sums[0] if len(sums) == 1 else torch.cat(sums, out=buffers.get(f"{name} sums", videos, width))


def _rows_at_once(values: Float[Tensor, "V F D"]) -> int:
    """Of whole videos: all of them where nothing is widened."""
    videos, frames, width = values.shape
    whole = values.dtype == torch.float32
    return frames * (videos if whole else max(1, WIDENED_FLOATS // (frames * width)))
