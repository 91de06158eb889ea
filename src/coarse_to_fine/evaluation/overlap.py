"""Temporal overlap of predicted and true windows in float64, for metrics only.

Windows are rows [start, end] in seconds; further columns (a score) are ignored. P predictions, T true windows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

__all__ = [
    "Bool",
    "BoolArray",
    "Float64",
    "FloatArray",
    "Int",
    "IntArray",
    "hull_iou",
    "inside",
    "intersection_over_union",
]


def intersection_over_union(
    predicted: Float64[FloatArray, "P _"], true: Float64[FloatArray, "T _"]
) -> Float64[FloatArray, "P T"]:
    """Intersection over true union of every pair; 0 where the union is 0 or a window has no positive length."""
    inter = _intersections(predicted, true)
    lengths: FloatArray = (predicted[:, 1] - predicted[:, 0])[:, None] + (true[:, 1] - true[:, 0])[None, :]
    return _ratio(inter, lengths - inter)


def hull_iou(predicted: Float64[FloatArray, "P _"], true: Float64[FloatArray, "T _"]) -> Float64[FloatArray, "P T"]:
    """Intersection over the hull of every pair, as the QVHighlights tool computes R1; 0 where the hull is 0."""
    hull = np.maximum(predicted[:, None, 1], true[None, :, 1]) - np.minimum(predicted[:, None, 0], true[None, :, 0])
    return _ratio(_intersections(predicted, true), hull)


def inside(windows: Float64[FloatArray, "N W"], duration_s: float | FloatArray) -> Float64[FloatArray, "N W"]:
    """Windows clipped to [0, duration]; one that ends before it starts keeps no length, so it meets no threshold.

    Args:
        windows: further columns are kept.
        duration_s: of the video, or (N,) of the video of each row; infinite where it is not known.
    """
    ends = np.clip(windows[:, :2], 0.0, np.reshape(duration_s, (-1, 1)))
    ends[:, 1] = np.maximum(ends[:, 0], ends[:, 1])
    return np.concatenate([ends, windows[:, 2:]], axis=1)


def _intersections(predicted: FloatArray, true: FloatArray) -> FloatArray:
    ends = np.minimum(predicted[:, None, 1], true[None, :, 1])
    lengths: FloatArray = ends - np.maximum(predicted[:, None, 0], true[None, :, 0])
    return lengths.clip(min=0)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratio: FloatArray = np.zeros_like(part)
    np.divide(part, whole, out=ratio, where=(part > 0) & (whole > 0))
    return ratio
