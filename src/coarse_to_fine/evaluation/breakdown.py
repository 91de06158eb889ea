"""Groups of queries for tables by length of the moment, length of the video, words and ambiguity."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from coarse_to_fine.evaluation.ambiguity import shared_texts
from coarse_to_fine.evaluation.oracles import CLASSES
from coarse_to_fine.evaluation.overlap import BoolArray, FloatArray
from coarse_to_fine.evaluation.truth import Truth

MOMENT_EDGES_S = (0.0, 5.0, 10.0, 20.0, 30.0, np.inf)
VIDEO_EDGES_S = (0.0, 30.0, 60.0, 120.0, 300.0, np.inf)
WORD_EDGES = (0.0, 5.0, 8.0, 12.0, np.inf)


def groups(truth: Truth) -> dict[str, dict[str, BoolArray]]:
    """Masks over the queries by property and group; groups without queries are left out."""
    moments = np.array([_mean_length(query.windows) for query in truth.queries])
    videos = np.array([np.nan if query.duration_s is None else query.duration_s for query in truth.queries])
    words = np.array([float(len(query.text.split())) for query in truth.queries])
    shared = shared_texts(truth)
    found = {
        "moment length (s)": _between(moments, MOMENT_EDGES_S),
        "video length (s)": _between(videos, VIDEO_EDGES_S),
        "words": _between(words, WORD_EDGES),
        "text": {"one video": ~shared, "several videos": shared},
    }
    return {name: {label: mask for label, mask in parts.items() if mask.any()} for name, parts in found.items()}


def classes_by_group(classes: Sequence[str], parts: dict[str, BoolArray]) -> dict[str, dict[str, float]]:
    """Percent of each class in every group, and `N`."""
    names = np.array(classes)
    return {
        label: {"N": float(mask.sum()), **{each: float(100 * np.mean(names[mask] == each)) for each in CLASSES}}
        for label, mask in parts.items()
    }


def _between(values: FloatArray, edges: Sequence[float]) -> dict[str, BoolArray]:
    """Left-open, right-closed groups."""
    found = {}
    for low, high in itertools.pairwise(edges):
        label = f"> {low:g}" if np.isinf(high) else f"{low:g}–{high:g}"
        found[label] = (values > low) & (values <= high)
    return found


def _mean_length(windows: FloatArray) -> float:
    return float((windows[:, 1] - windows[:, 0]).mean()) if len(windows) else float("nan")
