"""The sections of the report of both stages as columns of one value a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coarse_to_fine.datasets.leaks import source_video
from coarse_to_fine.evaluation import corpus_task, highlight_task, moment_task
from coarse_to_fine.evaluation.ambiguity import cut_from_sources, lenient_truth, same_source_truth, strict_bound
from coarse_to_fine.evaluation.chance import BlindOverlap, best_constant_span, constant_span_iou
from coarse_to_fine.evaluation.columns import Column
from coarse_to_fine.evaluation.corpus import CORPUS_RECALLS
from coarse_to_fine.evaluation.hierarchical import hierarchical_iou
from coarse_to_fine.evaluation.moment_retrieval import average_precision
from coarse_to_fine.evaluation.oracles import (
    CLASSES,
    MEANING,
    conditional_rates,
    loss_classes,
    oracle_coarse,
    oracle_fine,
    oracle_span,
)
from coarse_to_fine.evaluation.pipeline_run import PipelineRun
from coarse_to_fine.evaluation.protocols import variant_columns
from coarse_to_fine.evaluation.truth import Truth

BLIND = "query-blind "
TIE_RULE = "ties: expected rank under random tie-breaking"


def section_columns(run: PipelineRun) -> dict[str, list[Column]]:
    """Columns of every section for which the answers hold what it needs, by its title."""
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
