"""Geometry of temporal intervals, in seconds or as fractions of a video; nothing else.

`start_end` spans are [start, end]; `center_width` spans are [(start + end) / 2, end - start]. K, M, N count spans.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def center_width_to_start_end(spans: Float[Tensor, "*K 2"]) -> Float[Tensor, "*K 2"]:
    """[c, w] to [c - w/2, c + w/2]."""
    center, width = spans.unbind(-1)
    return torch.stack([center - width / 2, center + width / 2], dim=-1)


def start_end_to_center_width(spans: Float[Tensor, "*K 2"]) -> Float[Tensor, "*K 2"]:
    """[s, e] to [(s + e) / 2, e - s]."""
    start, end = spans.unbind(-1)
    return torch.stack([(start + end) / 2, end - start], dim=-1)


def pairwise_iou(a: Float[Tensor, "M 2"], b: Float[Tensor, "N 2"]) -> tuple[Float[Tensor, "M N"], Float[Tensor, "M N"]]:
    """Intersection over true union of every pair of start_end spans, and the unions; IoU is 0 where the union is 0."""
    overlap = (torch.minimum(a[:, None, 1], b[None, :, 1]) - torch.maximum(a[:, None, 0], b[None, :, 0])).clamp(min=0)
    union = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - overlap
    safe = torch.where(union != 0, union, torch.ones_like(union))
    return torch.where(union != 0, overlap / safe, torch.zeros_like(overlap)), union


def pairwise_giou(a: Float[Tensor, "M 2"], b: Float[Tensor, "N 2"]) -> Float[Tensor, "M N"]:
    """Generalised IoU of every pair of start_end spans: IoU - (hull - union) / hull.

    Source: Rezatofighi et al., CVPR 2019; the 1-D form of Moment-DETR.
    """
    iou, union = pairwise_iou(a, b)
    hull = (torch.maximum(a[:, None, 1], b[None, :, 1]) - torch.minimum(a[:, None, 0], b[None, :, 0])).clamp(min=0)
    safe = torch.where(hull > 0, hull, torch.ones_like(hull))
    return iou - torch.where(hull > 0, (hull - union) / safe, torch.zeros_like(hull))


def temporal_nms(
    spans: Float[Tensor, "K 2"], scores: Float[Tensor, " K"], threshold: float, limit: int | None = None
) -> list[int]:
    """Indices kept by greedy non-maximum suppression, best first.

    Spans are visited by descending score (ties: the earlier row first); a span is dropped if its IoU with a kept one
    is above `threshold` (strictly).
    """
    order = torch.argsort(scores, descending=True, stable=True)
    iou, _ = pairwise_iou(spans, spans)
    kept: list[int] = []
    for index in order.tolist():
        if limit is not None and len(kept) >= limit:
            break
        if all(float(iou[index, other]) <= threshold for other in kept):
            kept.append(index)
    return kept
