"""Features as the fine models read them: unit rows, time channels, padded batches.

Axes: B batch, L clips, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from coarse_to_fine.arguments import require_kind
from coarse_to_fine.types import SegmentFeatures


def require_segment(given: object) -> None:
    """Raise unless these are the features of a segment.

    Raises:
        UserError: they are something else, such as its clips alone.
    """
    step = "read them with `segment_features` of a library"
    require_kind(given, SegmentFeatures, "the segment", "its SegmentFeatures", step)


def unit_rows(x: Float[Tensor, "L C"]) -> Float[Tensor, "L C"]:
    """x / (||x|| + 1e-5) on the last axis."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / (norm + 1e-5)


def temporal_endpoints(clips: int, like: Tensor | None = None) -> Float[Tensor, "L 2"]:
    """Start and end of each clip as fractions of the video: (i/L, i/L + 1/L)."""
    device = None if like is None else like.device
    start = torch.arange(clips, dtype=torch.float32, device=device) / clips
    return torch.stack([start, start + 1 / clips], dim=1)


def pad_rows(rows: Sequence[Float[Tensor, "_ C"]]) -> tuple[Float[Tensor, "B L C"], Bool[Tensor, "B L"]]:
    """Zero-padded batch of sequences of different length, and its mask (True = real)."""
    lengths = torch.tensor([row.shape[0] for row in rows], device=rows[0].device)
    mask = torch.arange(int(lengths.max()), device=rows[0].device)[None, :] < lengths[:, None]
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True), mask
