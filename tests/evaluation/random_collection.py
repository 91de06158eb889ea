"""Small collections with random truth and answers, made from a seed."""

from __future__ import annotations

import numpy as np

from coarse_to_fine.evaluation.predictions import QueryPrediction, query_prediction
from coarse_to_fine.evaluation.truth import Truth, TruthQuery

TEXTS = ("a red ball jumps", "the blue box spins", "somebody leaves", "a dog runs", "a star falls")


def random_truth(rng: np.random.Generator, videos: int = 12, queries: int = 30) -> Truth:
    durations = {f"v{at:02d}": float(rng.integers(30, 150)) for at in range(videos)}
    rows = []
    for at in range(queries):
        video = f"v{rng.integers(videos):02d}"
        windows = np.array([random_window(rng, durations[video]) for _ in range(rng.integers(1, 4))])
        text = TEXTS[rng.integers(len(TEXTS))] + " x" * int(rng.integers(0, 4))
        rows.append(TruthQuery(f"q{at}", video, windows, text, durations[video]))
    return Truth(tuple(rows), tuple(durations), durations, "test", "random")


def random_window(rng: np.random.Generator, duration_s: float) -> list[float]:
    start, end = sorted(rng.uniform(0, duration_s, 2).round(1))
    return [float(start), float(max(end, start + 0.1))]


def random_answer(rng: np.random.Generator, truth: Truth, query: TruthQuery, candidates: int = 5) -> QueryPrediction:
    """Answers that are right now and then: scores and windows are pulled towards the truth."""
    scores = {video: round(float(rng.normal()), 1) for video in truth.gallery}
    scores[query.video_id or ""] += 1.5
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    given = [fine_span(rng, query.windows, query.duration_s or 1.0) for _ in range(4)]
    moments = []
    for video, score in ranked[:candidates]:
        spans = given if video == query.video_id else [fine_span(rng, None, truth.durations[video]) for _ in range(4)]
        moments += [(video, start, end, score + confidence) for start, end, confidence in spans]
    moments.sort(key=lambda row: -row[3])
    given.sort(key=lambda row: -row[2])
    saliency = rng.normal(size=int((query.duration_s or 0) / 2)).round(1).tolist()
    return query_prediction(query.query_id, ranked, moments, given, saliency)


def fine_span(rng: np.random.Generator, true: np.ndarray | None, duration_s: float) -> tuple[float, float, float]:
    start, end = random_window(rng, duration_s)
    if true is not None and rng.random() < 0.5:
        window = true[rng.integers(len(true))]
        start, end = sorted(np.clip(window + rng.normal(0, 2, 2), 0, duration_s).round(1))
    return float(start), float(end), round(rng.random(), 2)
