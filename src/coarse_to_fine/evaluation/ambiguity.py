"""Sentences that describe several videos: how much of the strict target can be reached, and truths that allow for it.

Strict counts the annotated video only and is the default everywhere. Lenient counts every video that has the same text.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from coarse_to_fine.datasets.leaks import source_video
from coarse_to_fine.evaluation.overlap import BoolArray, FloatArray
from coarse_to_fine.evaluation.truth import NO_WINDOWS, Truth, TruthQuery


def normalised_text(text: str) -> str:
    """Letters only, lower case, single blanks."""
    return " ".join(re.sub(r"[^\w\s]|[\d_]", "", text.lower()).split())


def shared_texts(truth: Truth) -> BoolArray:
    """(Q,) whether a query's normalised text stands with another video too."""
    videos = _videos_by_text(truth)
    return np.array([len(videos[normalised_text(query.text)]) > 1 for query in truth.queries], dtype=np.bool_)


def strict_bound(truth: Truth) -> float:
    """Best possible strict R@1, a fraction: a ranking depends on the text alone, so one text has one first video."""
    videos = _videos_by_text(truth)
    return sum(max(counts.values()) for counts in videos.values()) / len(truth.queries)


def lenient_truth(truth: Truth) -> Truth:
    """Every video that has the same normalised text is right, with the windows of its own queries."""
    windows: dict[str, dict[str, list[FloatArray]]] = defaultdict(lambda: defaultdict(list))
    for query in truth.queries:
        windows[normalised_text(query.text)][_video(query)].append(query.windows)

    def widened(query: TruthQuery) -> TruthQuery:
        found = {video: np.concatenate(parts) for video, parts in windows[normalised_text(query.text)].items()}
        own = found.pop(_video(query))
        return replace(query, windows=np.unique(own, axis=0), others={**query.others, **found})

    return truth.with_queries(widened(query) for query in truth.queries)


def same_source_truth(truth: Truth, source_of: Callable[[str], str]) -> Truth:
    """Every video cut from the same source is right for the coarse stage (no windows are known in the others).

    Args:
        truth: the strict truth.
        source_of: source of a video id, for instance `datasets.leaks.source_video`.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for video in truth.gallery:
        members[source_of(video)].append(video)

    def widened(query: TruthQuery) -> TruthQuery:
        own = _video(query)
        return replace(query, others={v: NO_WINDOWS for v in members[source_of(own)] if v != own} | dict(query.others))

    return truth.with_queries(widened(query) for query in truth.queries)


def cut_from_sources(videos: Collection[str]) -> bool:
    """Whether some of the videos are clips of one source, as in QVHighlights."""
    return len({source_video(video) for video in videos}) < len(videos)


def right_videos(truth: Truth) -> list[frozenset[str]]:
    """Of each query the videos that one of these truths counts as right."""
    wider = [
        lenient_truth(truth),
        *([same_source_truth(truth, source_video)] if cut_from_sources(truth.gallery) else []),
    ]
    return [
        frozenset(video for query in versions for video in query.answers)
        for versions in zip(*(each.queries for each in wider), strict=True)
    ]


def _videos_by_text(truth: Truth) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for query in truth.queries:
        found[normalised_text(query.text)][_video(query)] += 1
    return found


def _video(query: TruthQuery) -> str:
    return query.video_id if query.video_id is not None else f"query {query.query_id}"
