"""The report of the two stages: each alone, both together, where queries are lost, and what a guess would score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from coarse_to_fine.errors import DataError
from coarse_to_fine.evaluation.alignment import align
from coarse_to_fine.evaluation.columns import summarise
from coarse_to_fine.evaluation.figures import pipeline_figures
from coarse_to_fine.evaluation.pipeline_columns import TIE_RULE, section_columns
from coarse_to_fine.evaluation.pipeline_run import PipelineReportConfig, PipelineRun, collect
from coarse_to_fine.evaluation.predictions import Predictions, QueryPrediction, predictions_in_memory
from coarse_to_fine.evaluation.protocols import PROTOCOLS, average_pairs
from coarse_to_fine.evaluation.report import Report, Section
from coarse_to_fine.evaluation.truth import Truth
from coarse_to_fine.wording import counted

__all__ = ["PipelineReportConfig", "pipeline_report"]


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
    run = collect(align(truth, read, config.missing), train, config)
    groups = section_columns(run)
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
        warnings=(*truth.notes, *run.aligned.warnings, *_warnings(run), *_below(sections)),
        figures=pipeline_figures(run.aligned, run.moments, run.given, run.traces, config.loss_rows, config.examples),
    )


def _rules(config: PipelineReportConfig) -> str:
    protocol = f"{config.protocol}: {PROTOCOLS[config.protocol]}"
    clipped = "spans clipped to the annotated duration"
    return f"{protocol}; {TIE_RULE}; IoU >= m in float64; {clipped}; K_v = {config.candidates}, N = {config.spans}"


def _note(name: str, run: PipelineRun) -> str:
    if name == "fine stage, true video given" and run.prior is not None:
        return f"chance and query-blind lines from the windows of {run.prior.source}"
    return ""


def _below(sections: Sequence[Section]) -> list[str]:
    metrics = [metric for section in sections for metric in section.metrics]
    return [f"{metric.name} is below {line}" for metric in metrics for line in metric.below]


def _warnings(run: PipelineRun) -> Sequence[str]:
    found = []
    empty = sum(answer.moments is not None and len(answer.moments) == 0 for answer in run.aligned.answers)
    if empty:
        found.append(f"no moments for {counted(empty, 'query', 'queries')} (count as misses)")
    most = max((len(set(each.video_ids)) for each in run.moments), default=0)
    if most and most != min(run.config.candidates, run.gallery):
        found.append(f"K_v = {run.config.candidates} was declared, the longest list holds {counted(most, 'video')}")
    if run.prior is not None and run.own_windows:
        of = f"{run.own_windows} of the {len(run.aligned.answers)} evaluated queries"
        found.append(f"chance and query-blind lines are drawn from the windows of {of}: slightly too good")
    return found
