"""Where the queries of the two stages are lost, and what each stage would give if the other were perfect.

For one K (rows of the final list), one IoU threshold m and K_v (videos that go to the fine stage) every query is in
exactly one class:

- A, lost in the coarse stage: no right video among the first K_v;
- B, lost in the fine stage: the right video is there, none of its spans reaches m;
- C, lost in ranking: a good span exists in the pool, but not among the first K rows;
- D, found: D is VCMR R@K,m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coarse_to_fine.evaluation.corpus import best_overlaps, first_moment_rank
from coarse_to_fine.evaluation.overlap import Float64, FloatArray, intersection_over_union
from coarse_to_fine.evaluation.predictions import RankedMoments
from coarse_to_fine.evaluation.video_lists import Standing

CLASSES = "ABCD"
MEANING = {
    "A": "lost in the coarse stage",
    "B": "lost in the fine stage",
    "C": "lost in ranking",
    "D": "found",
}


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the two stages did with one query.

    Attributes:
        standing: of the right video in the coarse stage.
        candidate: whether a right video went to the fine stage.
        overlaps: (N,) of the final list: best IoU of each row, -1 in a wrong video.
        given: (n,) best IoU of each span that the fine stage finds in the right video, in its order.
    """

    standing: Standing
    candidate: bool
    overlaps: Float64[FloatArray, " N"]
    given: Float64[FloatArray, " n"]

    def loss_class(self, k: int, threshold: float) -> str:
        """A, B, C or D."""
        if 0 < first_moment_rank(self.overlaps, threshold) <= k:
            return "D"
        if (self.overlaps >= threshold).any():
            return "C"
        if not self.candidate:
            return "A"
        # the final list may be cut: a good span of the fine stage that fell off its end was lost in ranking too
        return "C" if (self.given >= threshold).any() else "B"


def trace(
    standing: Standing,
    moments: RankedMoments,
    given: Float64[FloatArray, "n _"],
    answers: Mapping[str, Float64[FloatArray, "T 2"]],
    true: Float64[FloatArray, "T 2"],
    candidates: int,
) -> Trace:
    """Collect what one query went through.

    Args:
        standing: of the right video in the coarse stage.
        moments: the final list, best first.
        given: spans of the fine stage in the right video, best first.
        answers: windows by right video.
        true: windows in the video of `given`.
        candidates: K_v; a right video whose moments stand in the list was a candidate whatever its rank says.
    """
    overlaps = best_overlaps(moments.video_ids, moments.spans, answers)
    in_list = bool((overlaps >= 0).any())
    candidate = in_list or (standing.listed and standing.rank <= candidates)
    best = intersection_over_union(given, true).max(axis=1) if len(given) and len(true) else np.zeros(len(given))
    return Trace(standing, candidate, overlaps, best)


def loss_classes(traces: Sequence[Trace], k: int, threshold: float) -> list[str]:
    """The class of every query."""
    return [each.loss_class(k, threshold) for each in traces]


def conditional_rates(classes: Sequence[str]) -> dict[str, Float64[FloatArray, " Q"]]:
    """Of the queries that reach a step, which pass it: (1-A), (1-A-B)/(1-A), D/(1-A-B); the product of the means is D.

    Returns:
        1 or 0 of every query for `coarse`, `fine` and `ranking`, NaN where the query was lost before.
    """
    names = np.array(classes)
    kept, located, found = names != "A", np.isin(names, ("C", "D")), names == "D"
    return {
        "coarse": kept.astype(np.float64),
        "fine": np.where(kept, located.astype(np.float64), np.nan),
        "ranking": np.where(located, found.astype(np.float64), np.nan),
    }


def oracle_coarse(traces: Sequence[Trace], k: int, threshold: float) -> Float64[FloatArray, " Q"]:
    """R@k,m if the right video stood first and the fine stage were unchanged."""
    return np.array([float((each.given[:k] >= threshold).any()) for each in traces])


def oracle_fine(traces: Sequence[Trace], k: int, candidates: int) -> Float64[FloatArray, " Q"]:
    """R@k if the fine stage returned the truth in the right video: the coarse stage's own R@k within K_v."""
    return np.array([each.standing.recall(min(k, candidates)) for each in traces])


def oracle_span(traces: Sequence[Trace], k: int, threshold: float, candidates: int) -> Float64[FloatArray, " Q"]:
    """R@k,m if the best span of each video were picked and the videos kept their order."""
    good = np.array([float((each.given >= threshold).any()) for each in traces])
    return good * oracle_fine(traces, k, candidates)
