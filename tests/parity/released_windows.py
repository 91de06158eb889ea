"""Rows of the releases before their post-processing, from what a model puts out."""

from __future__ import annotations

import torch
from torch import Tensor

from coarse_to_fine.fine_grained.postprocess import four_decimals, rank_windows


def official_rows(logits: Tensor, spans: Tensor, duration_s: float) -> list[list[float]]:
    """[start, end, score] by descending score, 4 decimals, not clamped."""
    windows, scores = rank_windows(logits, spans, duration_s)
    return four_decimals(torch.cat([windows, scores[:, None]], dim=1).tolist())
