"""What the report of both stages is computed from: sorted and clipped lists, and a trace of every query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from coarse_to_fine.evaluation import corpus_task, moment_task
from coarse_to_fine.evaluation.alignment import Aligned, Missing
from coarse_to_fine.evaluation.chance import BlindOverlap, SpanPrior, blind_overlap
from coarse_to_fine.evaluation.chance import span_prior as prior_of
from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS, sorted_by_score
from coarse_to_fine.evaluation.oracles import Trace, trace
from coarse_to_fine.evaluation.overlap import FloatArray, inside
from coarse_to_fine.evaluation.predictions import RankedMoments
from coarse_to_fine.evaluation.protocols import Protocol
from coarse_to_fine.evaluation.truth import Truth, TruthQuery
from coarse_to_fine.frozen_config import FrozenConfig


class PipelineReportConfig(FrozenConfig):
    """What a pipeline report computes."""

    candidates: int = Field(default=10, ge=1, description="K_v, videos that go to the fine stage")
    spans: int = Field(default=10, ge=1, description="N, spans of the fine stage a video")
    thresholds: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=RECALL_THRESHOLDS, min_length=1, description="IoU thresholds"
    )
    loss_rows: tuple[int, ...] = Field(default=(1, 10), description="K of the error classes")
    resamples: int = Field(default=1000, ge=0, description="bootstrap resamples over videos; 0 for no intervals")
    seed: int = Field(default=0, description="of the bootstrap")
    missing: Missing = Field(default="refuse", description="queries without an answer: refuse, miss or drop")
    examples: int = Field(default=8, ge=0, description="timelines of single queries in the report")
    protocol: Protocol = Field(default="P1", description="which sentences went to which stage; printed in the report")


@dataclass(frozen=True, slots=True, eq=False)
class PipelineRun:
    """Everything that the sections are computed from, one entry a query.

    `own_windows` counts the evaluated queries whose windows the chance lines are drawn from.
    """

    aligned: Aligned
    moments: tuple[RankedMoments, ...]
    given: tuple[FloatArray, ...]
    traces: tuple[Trace, ...]
    blind: BlindOverlap | None
    prior: SpanPrior | None
    own_windows: int
    config: PipelineReportConfig

    @property
    def gallery(self) -> int:
        """|V|."""
        return len(self.aligned.truth.gallery)


def collect(aligned: Aligned, train: Truth | None, config: PipelineReportConfig) -> PipelineRun:
    """Sort and clip the lists, and trace every query."""
    queries, answers = aligned.truth.queries, aligned.answers
    moments = tuple(corpus_task.clipped(answer.moments, aligned.truth) for answer in answers)
    given = tuple(
        inside(sorted_by_score(moment_task.given_video_windows(query, answer)), query.duration_s or np.inf)[
            : config.spans
        ]
        for query, answer in zip(queries, answers)
    )
    has_videos = any(answer.videos is not None or answer.moments is not None for answer in answers)
    standings = corpus_task.video_standings(aligned, strict=False) if has_videos else []
    traces = tuple(
        trace(where, rows, spans, query.answers, query.windows, config.candidates)
        for where, rows, spans, query in zip(standings, moments, given, queries)
    )
    learned = train if train is not None else aligned.truth
    prior = prior_of(learned, seed=config.seed)
    blind = blind_overlap(queries, prior) if prior is not None else None
    return PipelineRun(aligned, moments, given, traces, blind, prior, _shared(queries, learned.queries), config)


def _shared(evaluated: Sequence[TruthQuery], learned: Sequence[TruthQuery]) -> int:
    """Evaluated queries that stand in the training split too: the same words on the same windows of a video."""

    def content(query: TruthQuery) -> tuple[str | None, str, bytes]:
        return query.video_id, query.text, query.windows.tobytes()

    known = {content(query) for query in learned}
    return sum(content(query) in known for query in evaluated)
