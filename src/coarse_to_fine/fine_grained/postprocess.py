"""Predicted spans into windows in seconds: ranking, clamping, and the releases' rounding and suppression by name.

Axes: Q moment queries, K windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.spans import center_width_to_start_end, temporal_nms
from coarse_to_fine.types import MomentOutput

MIN_WINDOW_S = 1e-3
"""Shorter windows count as empty."""


def foreground(logits: Float[Tensor, "*N 2"]) -> Float[Tensor, "*N"]:
    """Probability of index 0."""
    return logits.softmax(-1)[..., 0]


def rank_windows(
    logits: Float[Tensor, "Q 2"], spans: Float[Tensor, "Q 2"], duration_s: float
) -> tuple[Float[Tensor, "Q 2"], Float[Tensor, " Q"]]:
    """Windows in seconds, not clamped, and their scores, by descending score (ties: the earlier query first)."""
    scores = foreground(logits)
    order = torch.argsort(scores, descending=True, stable=True)
    return center_width_to_start_end(spans)[order] * duration_s, scores[order]


def moment_output(
    logits: Float[Tensor, "Q 2"], spans: Float[Tensor, "Q 2"], saliency: Float[Tensor, " L"], duration_s: float
) -> MomentOutput:
    """Ranked windows, clamped to the duration; empty ones dropped."""
    windows, scores = rank_windows(logits, spans, duration_s)
    windows = windows.clamp(0, duration_s)
    kept = windows[:, 1] - windows[:, 0] > MIN_WINDOW_S
    return MomentOutput(windows[kept], scores[kept], saliency)


class OfficialRounding(NamedTuple):
    """What the evaluation of a release does to windows: multiples of which length, clamped to which time; None: not."""

    clip_seconds: float | None
    max_s: float | None


Official = Literal["qvhighlights", "charades", "tacos", "activitynet", "mesm-charades-vgg", "mesm-tacos"]
OFFICIAL: Mapping[Official, OfficialRounding] = {
    "qvhighlights": OfficialRounding(2.0, 150.0),
    "charades": OfficialRounding(1.0, 150.0),
    "tacos": OfficialRounding(2.0, None),
    "activitynet": OfficialRounding(2.0, None),
    "mesm-charades-vgg": OfficialRounding(0.17, 150.0),
    "mesm-tacos": OfficialRounding(None, 1000.0),
}
"""By set, as QD-DETR and Lighthouse evaluate; MESM does otherwise on two, on the others the same."""


def official_postprocess(rows: Sequence[Sequence[float]], name: Official, nms: float = 1.0) -> list[list[float]]:
    """[start, end, score] rows as a release evaluates them: 4 decimals, clamped and rounded, then suppressed.

    Args:
        rows: best first.
        name: of the set.
        nms: IoU over which a worse one of the first ten rows is dropped; 1 keeps all, as every release does.
    """
    rounded = official_rounding(four_decimals(rows), *OFFICIAL[name])
    return official_nms(rounded, nms) if nms < 1 else rounded


def four_decimals(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """Every number as the releases write it."""
    return [[float(f"{value:.4f}") for value in row] for row in rows]


def official_rounding(
    rows: Sequence[Sequence[float]], clip_seconds: float | None = 2.0, max_s: float | None = 150.0
) -> list[list[float]]:
    """The release's post-processing: clamp to [0, max_s], then multiples of the clip length, half to even.

    The clamp is to a fixed time, not to the video's duration, and a window may collapse to zero length. None leaves
    a step out (Lighthouse: TACoS and ActivityNet are rounded but not clamped; MESM on TACoS is clamped only).
    """
    if not rows:
        return []
    values = torch.tensor([list(row) for row in rows], dtype=torch.float32)
    windows = values[:, :2]
    if max_s is not None:
        windows = windows.clamp(0, max_s)
    if clip_seconds is not None:
        windows = torch.round(windows / clip_seconds) * clip_seconds
    values = torch.cat([windows, values[:, 2:]], dim=1)
    return four_decimals(values.tolist())


def official_nms(
    rows: Sequence[Sequence[float]], threshold: float, max_before: int = 10, max_after: int = 10
) -> list[list[float]]:
    """The release's suppression of [start, end, score] rows: of the first `max_before` keep at most `max_after`."""
    first = [list(row) for row in rows[:max_before]]
    if len(first) <= 1:
        return first
    values = torch.tensor(first, dtype=torch.float64)
    return [first[index] for index in temporal_nms(values[:, :2], values[:, 2], threshold, max_after)]
