"""Sine position codes of clips and of reference spans, and the inverse sigmoid that spans are refined with.

Axes: B batch, L clips, D width.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TEMPERATURE = 10000.0


def sine_code(angle: Float[Tensor, "*N"], width: int) -> Float[Tensor, "*N width"]:
    """Channel k is sin (k even) or cos (k odd) of angle / 10000^(2 floor(k/2) / width)."""
    channel = torch.arange(width, device=angle.device)
    scale = TEMPERATURE ** (2 * torch.div(channel, 2, rounding_mode="floor") / width)
    value = angle[..., None] / scale
    return torch.where(channel % 2 == 0, value.sin(), value.cos())


def video_position_code(video_mask: Bool[Tensor, "B L"], width: int) -> Float[Tensor, "B L D"]:
    """Code of the clips by their rank among the real ones, scaled to one turn; padding repeats the last real clip.

    Source: QD-DETR `position_encoding.py`, PositionEmbeddingSine with normalize=True.
    """
    rank = video_mask.cumsum(1, dtype=torch.float32)
    return sine_code(2 * math.pi * rank / (rank[:, -1:] + 1e-6), width)


def reference_code(reference: Float[Tensor, "*N 2"], width: int) -> Float[Tensor, "*N D"]:
    """Code of (centre, width) spans in [0, 1]: half of the channels from the centre, then half from the width.

    The release fixes 128 channels a coordinate; here it is half of `width`, the same for its 256.
    """
    return sine_code(2 * math.pi * reference, width // 2).flatten(-2)


def inverse_sigmoid(x: Float[Tensor, "*N"], epsilon: float = 1e-3) -> Float[Tensor, "*N"]:
    """ln(max(x, epsilon) / max(1 - x, epsilon)) of x clamped to [0, 1]."""
    x = x.clamp(0, 1)
    return torch.log(x.clamp(min=epsilon) / (1 - x).clamp(min=epsilon))
