"""The report of the two stages: each alone, both together, where queries are lost, and what a guess would score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from coarse_to_fine.datasets.leaks import source_video
from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation import corpus_task, highlight_task, moment_task
from coarse_to_fine.evaluation.alignment import Aligned, Missing, align
from coarse_to_fine.evaluation.ambiguity import (
    cut_from_sources,
    lenient_truth,
    same_source_truth,
    strict_bound,
)
from coarse_to_fine.evaluation.chance import (
    BlindOverlap,
    SpanPrior,
    best_constant_span,
    blind_overlap,
    constant_span_iou,
)
from coarse_to_fine.evaluation.chance import span_prior as prior_of
from coarse_to_fine.evaluation.columns import Column, summarise
from coarse_to_fine.evaluation.corpus import CORPUS_RECALLS
from coarse_to_fine.evaluation.figures import pipeline_figures
from coarse_to_fine.evaluation.hierarchical import hierarchical_iou
from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS, average_precision, sorted_by_score
from coarse_to_fine.evaluation.oracles import (
    CLASSES,
    MEANING,
    Trace,
    conditional_rates,
    loss_classes,
    oracle_coarse,
    oracle_fine,
    oracle_span,
    trace,
)
from coarse_to_fine.evaluation.overlap import FloatArray, inside
from coarse_to_fine.evaluation.predictions import Predictions, QueryPrediction, RankedMoments, predictions_in_memory
from coarse_to_fine.evaluation.protocols import PROTOCOLS, Protocol, average_pairs, variant_columns
from coarse_to_fine.evaluation.report import Report, Section
from coarse_to_fine.evaluation.truth import Truth, TruthQuery

BLIND = "query-blind "
TIE_RULE = "ties: expected rank under random tie-breaking"


class PipelineReportConfig(BaseModel):
    """What a pipeline report computes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


def pipeline_report(
    truth: Truth,
    predictions: Predictions | Iterable[QueryPrediction],
    train: Truth | None = None,
    config: PipelineReportConfig | None = None,
    title: str = "pipeline",
    owners: Mapping[str, str] | None = None,
) -> Report:
    """Evaluate both stages on one set of queries.

    A section appears where the predictions hold what it needs: ranked videos (coarse stage), moments given the true
    video (fine stage), ranked moments (end to end). Moments given the true video may be left out: then those of the
    final list are taken, where only candidates have any.

    Args:
        truth: queries with their windows; queries of coarse captions need no windows.
        predictions: answers read from a file or in memory.
        train: the training split, whose windows give the random and blind lines; None: the evaluated split itself,
            which is said in the report and makes these lines slightly too good.
        config: K_v, N, thresholds, bootstrap.
        title: task name in the report.
        owners: fine sentence of each query id, for queries that are (caption, sentence) pairs: values are averaged over
            the pairs of a sentence first, and N counts sentences.

    Raises:
        DataError: absent or unknown queries, or answers without any ranking.
    """
    config = config or PipelineReportConfig()
    read = predictions if isinstance(predictions, Predictions) else predictions_in_memory(predictions)
    run = _collect(align(truth, read, config.missing), train, config)
    groups = _groups(run)
    if not groups:
        raise DataError(
            f"{read.source}: no ranked videos and no moments; expected videos, moments or pred_relevant_windows; add "
            "one"
        )
    queries, clusters = run.aligned.truth.queries, run.aligned.clusters
    if owners is not None:
        groups = {name: average_pairs(columns, queries, owners) for name, columns in groups.items()}
        clusters = [query.cluster for query in {owners[query.query_id]: query for query in queries}.values()]
    sections = tuple(
        Section(name, summarise(columns, clusters, config.resamples, config.seed), _note(name, run))
        for name, columns in groups.items()
    )
    below = [
        f"{metric.name} is below {line}" for section in sections for metric in section.metrics for line in metric.below
    ]
    warnings = (*run.aligned.warnings, *_warnings(run), *below)
    return Report(
        task=title,
        convention="default",
        rules=_rules(config),
        split=truth.split,
        truth=truth.source,
        predictions=read.source,
        queries=len(run.aligned.truth.queries),
        videos=run.gallery,
        sections=sections,
        warnings=warnings,
        figures=pipeline_figures(run.aligned, run.moments, run.given, run.traces, config.loss_rows, config.examples),
    )


def _rules(config: PipelineReportConfig) -> str:
    protocol = f"{config.protocol}: {PROTOCOLS[config.protocol]}"
    clipped = "spans clipped to the annotated duration"
    return f"{protocol}; {TIE_RULE}; IoU >= m in float64; {clipped}; K_v = {config.candidates}, N = {config.spans}"


def _collect(aligned: Aligned, train: Truth | None, config: PipelineReportConfig) -> PipelineRun:
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


def _groups(run: PipelineRun) -> dict[str, list[Column]]:
    answers = run.aligned.answers
    with_windows = all(len(query.windows) for query in run.aligned.truth.queries)
    found: dict[str, list[Column]] = {}
    if any(answer.videos is not None for answer in answers):
        found["coarse stage"] = _coarse_columns(run)
    if with_windows and any(answer.windows is not None for answer in answers):
        found["fine stage, true video given"] = _fine_columns(run)
    if with_windows and any(answer.moments is not None for answer in answers):
        found["end to end"] = _end_to_end_columns(run)
        for k in run.config.loss_rows:
            found[f"where queries are lost, K = {k}"] = _loss_columns(run, k)
        found["hierarchical IoU"] = _hierarchical_columns(run)
    return found


def _coarse_columns(run: PipelineRun) -> list[Column]:
    truth = run.aligned.truth
    strict = corpus_task.video_columns([each.standing for each in run.traces], run.gallery, TIE_RULE)
    variants = variant_columns([each for each in strict if each.name in ("R@1", "R@5", "R@10")], truth.queries)
    bound = Column("bound of R@1", np.full(len(truth.queries), strict_bound(truth)), rule="one first video a text")
    return [
        *(replace(column, name=f"VR {column.name}") for column in (*strict, *variants)),
        replace(bound, name="VR best possible strict R@1"),
        *_wider_columns(run, "lenient", lenient_truth(truth), "any video with the text"),
        *(
            _wider_columns(run, "same-source", same_source_truth(truth, source_video), "any cut of its source")
            if cut_from_sources(truth.gallery)
            else ()
        ),
    ]


def _wider_columns(run: PipelineRun, name: str, wider: Truth, rule: str) -> list[Column]:
    """Recall of videos where a truth has further right ones."""
    standings = corpus_task.video_standings(replace(run.aligned, truth=wider), strict=False)
    return [
        replace(column, name=f"VR {name} {column.name}", chance=None, rule=f"{rule}; {TIE_RULE}")
        for column in corpus_task.video_columns(standings, run.gallery, TIE_RULE)
        if column.name in ("R@1", "R@5", "R@10")
    ]


def _fine_columns(run: PipelineRun) -> list[Column]:
    queries = run.aligned.truth.queries
    columns = moment_task.recall_columns(run.aligned, run.given, run.config.thresholds)
    ap = np.array([average_precision(spans, query.windows) for spans, query in zip(run.given, queries)])
    columns += [
        Column("mAP", ap.mean(axis=1), rule="IoU 0.5:0.05:0.95, first 10 spans"),
        Column("mAP@0.5", ap[:, 0], rule="IoU >= 0.5"),
        Column("mAP@0.75", ap[:, 5], rule="IoU >= 0.75"),
    ]
    columns += highlight_task.curve_columns(run.aligned)
    if run.blind is not None:
        columns = [replace(column, chance=_fine_chance(column.name, run.blind)) for column in columns]
    blind = _blind_columns(run)
    lines = {column.name.removeprefix(BLIND): column.value for column in blind}
    return [*(replace(column, blind=lines.get(column.name)) for column in columns), *blind]


def _fine_chance(name: str, blind: BlindOverlap) -> float | None:
    if name == "mIoU":
        return blind.mean_best(1)
    if name.startswith(("R1@", "R5@")):
        return blind.recall(int(name[1]), float(name[3:]))
    return None


def _blind_columns(run: PipelineRun) -> list[Column]:
    """A predictor that sees neither video nor text: the best constant span of the prior."""
    if run.prior is None:
        return []
    start, end = best_constant_span(run.prior)
    iou = constant_span_iou(run.aligned.truth.queries, (start, end))
    rule = f"always {start:g} to {end:g} of the video"
    reached = [
        Column(f"{BLIND}R1@{m}", np.where(np.isnan(iou), np.nan, iou >= m), rule=rule) for m in run.config.thresholds
    ]
    return [*reached, Column(f"{BLIND}mIoU", iou, rule=rule)]


def _end_to_end_columns(run: PipelineRun) -> list[Column]:
    columns = corpus_task.corpus_columns(run.aligned, run.moments, run.config.thresholds)
    return [*_with_guesses(run, columns), *_lenient_moment_columns(run)]


def _lenient_moment_columns(run: PipelineRun) -> list[Column]:
    wide = replace(run.aligned, truth=lenient_truth(run.aligned.truth))
    return [
        replace(column, name=f"lenient {column.name}", rule=f"any video with the text, its windows; {column.rule}")
        for column in corpus_task.corpus_columns(wide, run.moments, run.config.thresholds)
        if column.name.startswith(("VCMR-R1@", "VCMR-R5@", "VCMR-R10@"))
    ]


def _with_guesses(run: PipelineRun, columns: Sequence[Column]) -> Sequence[Column]:
    """VCMR beside random spans in random videos, and beside the query-blind span in random videos."""
    if run.blind is None:
        return columns
    rows = max(len(each) for each in run.moments)
    guess = {
        f"VCMR-R{k}@{m}": run.blind.recall(min(k, rows), m, 1 / run.gallery)
        for k in CORPUS_RECALLS
        for m in run.config.thresholds
    }
    found = {column.name.removeprefix(f"{BLIND}R1@"): column.value or 0.0 for column in _blind_columns(run)}
    constant = {
        f"VCMR-R{k}@{m}": found[str(m)] * min(k, rows, run.gallery) / run.gallery
        for k in CORPUS_RECALLS
        for m in run.config.thresholds
    }
    return [
        replace(column, chance=guess.get(column.name, column.chance), blind=constant.get(column.name))
        for column in columns
    ]


def _loss_columns(run: PipelineRun, k: int) -> list[Column]:
    found: list[Column] = []
    for m in run.config.thresholds:
        classes = loss_classes(run.traces, k, m)
        found += [
            Column(
                f"{each} {MEANING[each]} (K={k}, m={m})", np.array([one == each for one in classes], dtype=np.float64)
            )
            for each in CLASSES
        ]
        found += [
            Column(f"kept by {stage} (K={k}, m={m})", values, rule="of the queries that reach it; the product is D")
            for stage, values in conditional_rates(classes).items()
        ]
        found += [
            Column(f"oracle coarse R{k}@{m}", oracle_coarse(run.traces, k, m), rule="right video first"),
            Column(
                f"oracle span R{k}@{m}", oracle_span(run.traces, k, m, run.config.candidates), rule="best span a video"
            ),
        ]
    return [
        *found,
        Column(
            f"oracle fine R{k}", oracle_fine(run.traces, k, run.config.candidates), rule="true span in the right video"
        ),
    ]


def _hierarchical_columns(run: PipelineRun) -> list[Column]:
    iou = hierarchical_iou(run.traces, run.config.spans)
    kept = float(np.mean([each.candidate for each in run.traces]))
    spans = max((len(each) for each in run.given), default=0)
    chance = (None, None) if run.blind is None else (run.blind.mean_best(1), run.blind.mean_best(spans))
    rule = f"over the {100 * kept:.2f} % of queries whose video is among K_v = {run.config.candidates}"
    best, lost = f"best of N = {run.config.spans} spans", "a lost video counts as 0"
    return [
        Column("Mean IoU | video kept", iou.first, chance=chance[0], rule=f"first span; {rule}"),
        Column("Max IoU | video kept", iou.best, chance=chance[1], rule=f"{best}; {rule}"),
        Column("Mean IoU", iou.first_all, rule=f"first span; {lost}"),
        Column("Max IoU", iou.best_all, rule=f"{best}; {lost}"),
        Column("Median IoU | video kept", iou.first, reduce="median", rule=f"first span; {rule}"),
        Column("Median of max IoU | video kept", iou.best, reduce="median", rule=f"{best}; {rule}"),
        Column("Median IoU", iou.first_all, reduce="median", rule=f"first span; {lost}"),
        Column("Median of max IoU", iou.best_all, reduce="median", rule=f"{best}; {lost}"),
    ]


def _note(name: str, run: PipelineRun) -> str:
    if name == "fine stage, true video given" and run.prior is not None:
        return f"chance and query-blind lines from the windows of {run.prior.source}"
    return ""


def _warnings(run: PipelineRun) -> Sequence[str]:
    found = []
    empty = sum(answer.moments is not None and len(answer.moments) == 0 for answer in run.aligned.answers)
    if empty:
        found.append(f"{empty} queries have no moments (count as misses)")
    most = max((len(set(each.video_ids)) for each in run.moments), default=0)
    if most and most != min(run.config.candidates, run.gallery):
        found.append(f"K_v = {run.config.candidates} was declared, the longest list holds {most} videos")
    if run.prior is not None and run.own_windows:
        of = f"{run.own_windows} of the {len(run.aligned.answers)} evaluated queries"
        found.append(f"chance and query-blind lines are drawn from the windows of {of}: slightly too good")
    return found
