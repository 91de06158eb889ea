"""The curve of cosines between clips and a sentence, and the windows in which it stands out.

Axes: L clips, D embedding width, K windows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def cosine_curve(clips: Float[Tensor, "L D"], sentence: Float[Tensor, " D"]) -> Float[Tensor, " L"]:
    """Cosine of each clip with the sentence; 0 for a zero vector."""
    return functional.normalize(clips, dim=-1) @ functional.normalize(sentence, dim=-1)


def smooth(curve: Float[Tensor, " L"], width: int) -> Float[Tensor, " L"]:
    """Weighted mean over `width` neighbours with a triangular kernel, cut and rescaled at the ends."""
    reach = (width - 1) // 2
    kernel = (reach + 1 - torch.arange(-reach, reach + 1).abs()).to(curve.dtype)[None, None]
    padded = functional.conv1d(curve[None, None], kernel, padding=reach)
    return (padded / functional.conv1d(torch.ones_like(curve)[None, None], kernel, padding=reach))[0, 0]


def all_windows(clips: int) -> Int[Tensor, "K 2"]:
    """Every window [first, end) of whole clips but the whole."""
    first, end = torch.triu_indices(clips + 1, clips + 1, offset=1)
    partial = end - first < clips
    return torch.stack([first[partial], end[partial]], dim=1)


def explained_share(curve: Float[Tensor, " L"], windows: Int[Tensor, "K 2"]) -> Float[Tensor, " K"]:
    """Share of the curve's variance explained by a step that is up inside a window; in [0, 1], 0 where it is down.

    With f the share of clips inside and d = mean inside - mean outside, the step explains f (1 - f) d^2: a window must
    stand out AND have its borders where the curve falls, so that peaks of every width compete on one scale.
    """
    clips = len(curve)
    centred = (curve - curve.mean()).double()
    variance = centred.square().mean()
    sums = functional.pad(centred.cumsum(0), (1, 0))
    inside = sums[windows[:, 1]] - sums[windows[:, 0]]
    count = (windows[:, 1] - windows[:, 0]).double()
    outside = clips - count
    contrast = inside / count + inside / outside  # mean inside - mean outside: the sum outside is -inside
    share = count * outside / clips**2 * contrast.square() / variance.clamp(min=1e-12)
    return torch.where(contrast > 0, share, torch.zeros_like(share)).clamp(0, 1).to(curve.dtype)
