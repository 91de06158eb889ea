"""Long videos averaged down to a fixed number of clips, as in the release.

Axes: n clips given, L clips kept, C channels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor


def clip_edges(clips: int, limit: int) -> Int[Tensor, " E"]:
    """First clip of each of `limit` stretches, and the last clip: min(n - 1, round(k n / limit)), k = 0..limit.

    Computed in float32 and rounded half to even, as the release does.
    """
    steps = torch.arange(limit + 1, dtype=torch.float32) / limit * clips
    return steps.round().long().clamp(max=clips - 1)


def sample_clips(rows: Float[Tensor, "n C"], limit: int) -> Float[Tensor, "L C"]:
    """The mean of the rows of each stretch, or its first row where a stretch is empty; at most `limit` rows.

    The last row given is therefore left out, unless the last stretch is empty.
    """
    if len(rows) <= limit:
        return rows
    edges = clip_edges(len(rows), limit).tolist()
    stretches = [rows[start : max(end, start + 1)].mean(0) for start, end in pairwise(edges)]
    return torch.stack(stretches)


def stretch_of_clip(clips: int, limit: int) -> Int[Tensor, " n"]:
    """Which stretch each clip lies in; clips that `sample_clips` leaves out belong to the last."""
    if clips <= limit:
        return torch.arange(clips)
    starts = clip_edges(clips, limit)[:-1].contiguous()
    return torch.searchsorted(starts, torch.arange(clips), right=True) - 1
