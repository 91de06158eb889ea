"""The score of T-MASS with everything that depends on the videos alone computed beforehand; one pooling head.

Exact, not an approximation: the weights of the pooling sum to one, so the output projection, the last linear layer and
the statistics of all layer norms can be applied to the frames before the text is known. Per pair remain 2 F D
multiplications for the cosines, F D for the mixture, F D for the radius and 3 S D for the S trials; no D x D product.

Axes: T texts, V videos, F frames, D width, S trials.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.coarse_grained.base import VideoCache, blocks, unit
from coarse_to_fine.coarse_grained.t_mass.exponential import faster_exponential
from coarse_to_fine.coarse_grained.t_mass.pooling import EPSILON, FramePooling
from coarse_to_fine.coarse_grained.t_mass.stochastic import Radius

SMALLEST = 1e-12
"""Of a squared length, which rounding must not make negative."""
INDEX_BLOCK = 1024
"""Videos that are prepared at once."""


def video_cache(pooling: FramePooling, frames: Float[Tensor, "V F D"]) -> VideoCache:
    """What is stored of each video.

    With U_f = Wo(Wu LN1(f) + bu) + bo, Ū_f = U_f minus its mean over D, Z_f = (I + Wl)(γ2 ⊙ Ū_f), c0 what the last
    linear layer gives for a mixture of nothing, and x̄ for x minus its mean over D:

    Returns:
        frames: (V, F, D) as given, in their own dtype.
        mixed: (V, F, D) γ3 ⊙ Z̄_f.
        forms: (V, F, 2 F + 1) [Ū Ūᵀ | Z̄ Z̄ᵀ | 2 Z̄ c̄0] / D, from which follow the variances of every mixture.
        products: (V, F + 2, F + 2) of the rows of `mixed` and of what all pooled videos have in common with each other,
            from which follow the lengths of pooled videos.
        inverse_norm: (V, F) 1 / ||f||, 0 for a zero frame.
        inverse_std: (V, F) 1 / std(f).
    """
    parts = [_derived(pooling, frames[part]) for part in blocks(len(frames), INDEX_BLOCK)]
    if not parts:
        parts = [_derived(pooling, frames)]
    return {"frames": frames, **{name: torch.cat([part[name] for part in parts]) for name in parts[0]}}


def _derived(pooling: FramePooling, frames: Float[Tensor, "V F D"]) -> VideoCache:
    frames = frames.to(pooling.key.weight.device, torch.float32)
    values = _centred(pooling.output(pooling.value(pooling.norm_input(frames))))
    weighted = values * pooling.norm_attended.weight
    mixed = _centred(weighted + functional.linear(weighted, pooling.linear.weight))
    forms = [values @ values.mT, mixed @ mixed.mT, (mixed @ offset(pooling)).mul_(2).unsqueeze(-1)]
    mixed *= pooling.norm_pooled.weight
    rows = torch.cat([mixed, common(pooling).expand(len(mixed), -1, -1)], dim=1)
    return {
        "mixed": mixed,
        "forms": torch.cat(forms, dim=-1) / frames.shape[-1],
        "products": rows @ rows.mT,
        "inverse_norm": inverse_norm(frames),
        "inverse_std": torch.rsqrt(_centred(frames).square().mean(dim=-1) + EPSILON),
    }


def offset(pooling: FramePooling) -> Float[Tensor, " D"]:
    """c̄0: what all mixtures have in common before the last layer norm, minus its mean."""
    bias = pooling.norm_attended.bias
    return _centred(bias + functional.linear(bias, pooling.linear.weight, pooling.linear.bias))


def common(pooling: FramePooling) -> Float[Tensor, "2 D"]:
    """What all pooled videos have in common: γ3 ⊙ c̄0, which is scaled, and β3, which is not."""
    return torch.stack([pooling.norm_pooled.weight * offset(pooling), pooling.norm_pooled.bias])


def inverse_norm(frames: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows"]:
    norm = frames.norm(dim=-1)
    return torch.where(norm > 0, 1 / norm, torch.zeros_like(norm))


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(dim=-1, keepdim=True)


@dataclass(frozen=True, slots=True)
class Folded:
    """What depends on the weights only; matrices that a product takes from the right are stored as (in, out).

    Attributes:
        query, query_bias: (D, D) and (D,): a text of mean 0 and variance 1 to the direction whose products with frames
            of variance 1 are the pooling's logits.
        output, output_bias: (D, D) and (D,): a mixture of frames of mean 0 and variance 1 to what the attention gives.
        common: (2, D) what all pooled videos have in common.
        common_variance: of c̄0, with the epsilon of the layer norm.
        radius: (F, D) weights of the cosines, whose powers are the radius in units of that for cosines of zero.
        radius_at_zero: (D,) the radius for cosines of zero.
        power: raises to these powers, in place.
    """

    query: Tensor
    query_bias: Tensor
    output: Tensor
    output_bias: Tensor
    common: Tensor
    common_variance: Tensor
    radius: Tensor
    radius_at_zero: Tensor
    power: Callable[[Tensor], Tensor]


@torch.no_grad()
def folded(pooling: FramePooling, radius: Radius) -> Folded:
    """The products of weights in float64, so that folding adds no error of its own."""
    exponential = faster_exponential()
    norm = pooling.norm_input
    normed = torch.stack([norm.bias, *norm.weight.diag()]).double()
    query = normed @ pooling.query.weight.T.double()
    query[0] += pooling.query.bias
    query = _centred(query @ pooling.key.weight.double() * norm.weight)  # takes the mean of each frame out as well
    query = (query / math.sqrt(query.shape[1])).float()
    value = normed @ pooling.value.weight.T.double()
    value[0] += pooling.value.bias
    output = (value @ pooling.output.weight.T.double()).float()
    return Folded(
        query=query[1:],
        query_bias=query[0],
        output=output[1:],
        output_bias=output[0] + pooling.output.bias,
        common=common(pooling),
        common_variance=offset(pooling).square().mean() + EPSILON,
        radius=radius.linear.weight.T * exponential.scale,
        radius_at_zero=radius.linear.bias.exp(),
        power=exponential.in_place,
    )


class ScaledNoise(NamedTuple):
    """(S, D) the noise times the radius for cosines of zero, and its squares."""

    scaled: Tensor
    squared: Tensor

    @classmethod
    def of(cls, noise: Float[Tensor, "S D"], weights: Folded) -> ScaledNoise:
        scaled = noise * weights.radius_at_zero
        return cls(scaled, scaled.square())


@dataclass(frozen=True, slots=True)
class Constants:
    """What depends on texts, weights and noise only.

    Attributes:
        text: (T, D) the texts.
        text_squared: (T,) their squared lengths.
        directions: (2 T, D) unit texts, then the directions whose products with frames of variance 1 are the logits.
        noise, noise_squared: (S, D), the noise times the radius for cosines of zero.
        weights: what depends on neither texts nor noise.
    """

    text: Tensor
    text_squared: Tensor
    directions: Tensor
    noise: Tensor
    noise_squared: Tensor
    weights: Folded


def constants(weights: Folded, noise: ScaledNoise, text: Float[Tensor, "T D"]) -> Constants:
    normed = torch.layer_norm(text, text.shape[-1:], eps=EPSILON)
    return Constants(
        text=text,
        text_squared=text.square().sum(dim=-1),
        directions=torch.cat([unit(text), torch.addmm(weights.query_bias, normed, weights.query)]),
        noise=noise.scaled,
        noise_squared=noise.squared,
        weights=weights,
    )


def mixing_scales(
    squares: Float[Tensor, "V 2 T"], linear: Float[Tensor, "V T"], common_variance: Tensor
) -> tuple[Float[Tensor, "V T"], Float[Tensor, "V T"]]:
    """By what the two layer norms after the attention divide, without the mixtures themselves.

    Args:
        squares: the two quadratic forms of the weights.
        linear: the linear form.
        common_variance: of what all have in common.

    Returns:
        The factor of the weighted frames, and that of what all mixtures have in common.
    """
    first = torch.rsqrt(squares[:, 0] + EPSILON)
    variance = torch.addcmul(linear, squares[:, 1], first)
    last = torch.rsqrt(torch.addcmul(common_variance, variance, first))
    return first * last, last


def best_trial(
    pooled: Float[Tensor, "V D"], radius: Float[Tensor, "V D"], known: Constants, text: int = 0
) -> Float[Tensor, " V"]:
    """Largest cosine of t + ε_s ⊙ R with the pooled videos, from dot products instead of S random texts.

    Args:
        pooled: the videos as the text sees them; overwritten.
        radius: in units of the radius for cosines of zero; overwritten.
        known: of some texts.
        text: which of them.
    """
    own = known.text[text]
    length: Tensor = torch.linalg.vector_norm(pooled, dim=-1)
    with_text = (pooled @ own).unsqueeze(-1)
    dot = torch.addmm(with_text, pooled.mul_(radius), known.noise.T)  # (V, S)
    squared = torch.addmm(known.text_squared[text], radius, (known.noise * own).T, alpha=2)
    squared.addmm_(radius.square_(), known.noise_squared.T)
    return best(dot, squared, dim=1) / length


def best(dot: Tensor, squared: Tensor, dim: int) -> Tensor:
    """The largest cosine of S random texts, times the length of the pooled video, from products and squared lengths;
    both are overwritten."""
    cosine: Tensor = dot.mul_(squared.clamp_(min=SMALLEST).rsqrt_()).amax(dim=dim)
    return cosine
