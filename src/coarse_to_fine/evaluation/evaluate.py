"""Evaluates a prediction file against a truth file; loads no model.

`python -m coarse_to_fine.evaluation.evaluate --task moments --predictions FILE --truth FILE [--json]`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, get_args

import numpy as np

from coarse_to_fine.arguments import require_path, require_whole, shown
from coarse_to_fine.datasets.leaks import refuse_shared_videos
from coarse_to_fine.errors import ConfigError, CtfError
from coarse_to_fine.evaluation import corpus_task, highlight_task, moment_task
from coarse_to_fine.evaluation.alignment import Aligned, Missing, align
from coarse_to_fine.evaluation.bootstrap import RESAMPLES
from coarse_to_fine.evaluation.columns import Column, summarise
from coarse_to_fine.evaluation.figures import corpus_figures, moment_figures
from coarse_to_fine.evaluation.moment_retrieval import LENGTH_SETS, RECALL_THRESHOLDS, Lengths
from coarse_to_fine.evaluation.predictions import Predictions, read_predictions
from coarse_to_fine.evaluation.report import Report, Section
from coarse_to_fine.evaluation.score_stream import StreamedRanks
from coarse_to_fine.evaluation.truth import Truth, cut_to_videos, read_truth
from coarse_to_fine.evaluation.video_lists import Standing
from coarse_to_fine.wording import counted, why

CONVENTIONS: dict[str, dict[str, str]] = {
    "moments": {
        "default": "rows in file order, an empty list counts as 0",
        "sorted": "rows sorted by score first, an empty list counts as 0",
        "qvhighlights": "the QVHighlights tool: an empty list leaves the mean of mAP",
    },
    "highlights": {
        "default": "a curve is cut or padded with 0 to the clips of the video",
        "qvhighlights": "the same numbers as the QVHighlights tool",
    },
    "videos": {
        "default": "expected rank under random tie-breaking",
        "t-mass": "strictly higher scores only",
    },
    "corpus": {
        "default": "any true (video, window) pair, float64, lists sorted by score and clipped to the videos",
        "tvr": "the TVR release: float32, file order, two of four or more windows have to agree",
    },
}
TASKS = tuple(CONVENTIONS)
REPAIRING = ("default", "sorted")
"""Conventions that swap and cut true windows to lie in their videos; the official tools take them as they stand."""


def evaluate_predictions(
    task: str,
    predictions_path: str | Path,
    truth_path: str | Path,
    convention: str = "default",
    *,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    lengths: Lengths = "qvhighlights",
    missing: Missing = "refuse",
    resamples: int = RESAMPLES,
    seed: int = 0,
    split: str | None = None,
    gallery: str | Path | None = None,
    train: str | Path | None = None,
) -> Report:
    """Evaluate a prediction file.

    Args:
        task: `moments` (windows inside given videos), `highlights` (saliency), `videos` (ranked videos) or `corpus`
            (moments in the whole collection).
        predictions_path: see `predictions.py` for the layouts.
        truth_path: an annotation file.
        convention: `default`, or an official tool by name; see CONVENTIONS.
        thresholds: IoU thresholds of R@n and VCMR.
        lengths: ranges of window length that mAP is broken down by; `tacos` adds those of 150 to 600 s.
        missing: what to do with queries without an answer: `refuse`, `miss` (count as 0) or `drop`.
        resamples: of the bootstrap over videos; 0 for no intervals.
        seed: of the bootstrap.
        split: name of the split for the report; None takes it from the file name.
        gallery: JSON lines with the videos that were searched; None: those that the truth names.
        train: annotations that the answers' model learned from; None: unknown.

    Raises:
        ConfigError: an unknown task, convention or set of lengths, or a threshold that is no IoU.
        DataError: a file that does not hold what the task needs (names file and row), or `train` and the truth share
            videos.
    """
    check_names(task, convention, missing, lengths)
    check_resamples(resamples, seed)
    if gallery is not None:
        require_path(gallery, "gallery")
    truth = read_for(convention, truth_path, split, Path(gallery) if gallery is not None else None)
    if train is not None:
        refuse_shared_videos({f"{train} (learned from)": read_truth(train).gallery, str(truth_path): truth.gallery})
    predictions = read_predictions(predictions_path)
    return evaluate(task, truth, predictions, convention, thresholds, missing, resamples, seed, lengths)


def read_for(convention: str, path: str | Path, split: str | None = None, gallery: Path | None = None) -> Truth:
    """The truth with windows inside their videos, or as an official tool takes them; see `read_truth`."""
    if convention in REPAIRING:
        return cut_to_videos(read_truth(path, split, gallery))
    return read_truth(path, split, gallery, as_written=True)


def evaluate(
    task: str,
    truth: Truth,
    predictions: Predictions,
    convention: str = "default",
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    missing: Missing = "refuse",
    resamples: int = RESAMPLES,
    seed: int = 0,
    lengths: Lengths = "qvhighlights",
) -> Report:
    """`evaluate_predictions` for a truth and answers that are already read."""
    check_names(task, convention, missing, lengths)
    check_thresholds(thresholds)
    check_resamples(resamples, seed)
    aligned = align(truth, predictions, missing)
    groups, official, warnings = task_columns(task, aligned, convention, thresholds, lengths)
    sources = predictions.source, (*aligned.warnings, *warnings)
    report = _report(task, convention, aligned.truth, groups, *sources, resamples, seed)
    return replace(report, official=official, figures=_figures(task, aligned))


def evaluate_ranks(
    truth: Truth, ranks: StreamedRanks, source: str, resamples: int = RESAMPLES, seed: int = 0
) -> Report:
    """The task `videos` in both directions where the ranks are known and no list of all videos is.

    Args:
        truth: the queries and the gallery.
        ranks: of the same queries, in order, with the gallery.
        source: what ranked the videos.
        resamples: of the bootstrap over videos.
        seed: of the bootstrap.
    """
    groups = _videos(truth, ranks.standings, "default")
    report = _report("videos", "default", truth, groups, source, (), resamples, seed)
    texts = corpus_task.text_columns(ranks.text_standings, _tie_rule("default"))
    clusters = {video_id: query.cluster for query in reversed(truth.queries) for video_id in query.answers}
    own = [clusters[truth.gallery[video]] for video in ranks.described]
    section = Section("texts of each video", summarise(texts, own, resamples, seed))
    return replace(report, sections=(*report.sections, section))


def _report(
    task: str,
    convention: str,
    truth: Truth,
    groups: Mapping[str, Sequence[Column]],
    source: str,
    warnings: Sequence[str],
    resamples: int,
    seed: int,
) -> Report:
    clusters = [query.cluster for query in truth.queries]
    sections = [Section(title, summarise(columns, clusters, resamples, seed)) for title, columns in groups.items()]
    return Report(
        task=task,
        convention=convention,
        rules=CONVENTIONS[task][convention],
        split=truth.split,
        truth=truth.source,
        predictions=source,
        queries=len(truth.queries),
        videos=len(truth.gallery),
        sections=tuple(sections),
        warnings=(*truth.notes, *warnings),
    )


def task_columns(
    task: str,
    aligned: Aligned,
    convention: str,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    lengths: Lengths = "qvhighlights",
) -> tuple[dict[str, list[Column]], Mapping[str, Any], list[str]]:
    """The columns of a task by heading, the official layout, and warnings."""
    if task == "moments":
        return _moments(aligned, convention, thresholds, lengths)
    if task == "highlights":
        columns = highlight_task.highlight_columns(aligned)
        return {"highlights": columns}, _with_brief(highlight_task.official_highlights(columns), columns), []
    if task == "corpus":
        return _corpus(aligned, convention, thresholds)
    standings = corpus_task.video_standings(aligned, strict=convention == "t-mass")
    unlisted = sum(not each.listed for each in standings)
    warnings = [f"no true video in {counted(unlisted, 'list')}: a miss, counted with the last rank"] if unlisted else []
    return _videos(aligned.truth, standings, convention), {}, warnings


def _videos(truth: Truth, standings: Sequence[Standing], convention: str) -> dict[str, list[Column]]:
    rule = _tie_rule(convention)
    return {"videos": corpus_task.video_columns(standings, len(truth.gallery), rule)}


def _tie_rule(convention: str) -> str:
    return f"ties: {CONVENTIONS['videos'][convention]}"


def check_thresholds(thresholds: Sequence[float]) -> None:
    """Refuse what is no IoU above 0."""
    listed: list[Any] = list(thresholds) if isinstance(thresholds, Iterable) else []
    if not listed or not all(isinstance(each, Real) and 0 < float(each) <= 1 for each in listed):
        raise ConfigError(
            f"IoU thresholds {listed or shown(thresholds)}; expected at least one, each above 0 and at most 1; "
            "correct them"
        )


def check_resamples(resamples: int, seed: int = 0) -> None:
    """Refuse what is no number of draws, or no seed of them."""
    require_whole(resamples=resamples, seed=seed)
    if min(resamples, seed) < 0:
        raise ConfigError(f"resamples is {resamples}, their seed {seed}; expected 0 or more; give 0 for no intervals")


def check_names(task: str, convention: str, missing: str = "refuse", lengths: str = "qvhighlights") -> None:
    """Refuse an unknown task, convention, rule for missing answers or set of lengths, naming the known ones."""
    known: dict[str, tuple[str, Sequence[str]]] = {
        "task": (task, TASKS),
        "missing": (missing, get_args(Missing)),
        "lengths": (lengths, get_args(Lengths)),
    }
    if isinstance(task, str) and task in CONVENTIONS:
        known[f"convention of the task {task}"] = (convention, tuple(CONVENTIONS[task]))
    for what, (value, names) in known.items():
        if value not in names:
            raise ConfigError(f"{what} is {value!r}; expected one of {', '.join(names)}; name one of them")


def _moments(
    aligned: Aligned, convention: str, thresholds: Sequence[float], lengths: Lengths
) -> tuple[dict[str, list[Column]], Mapping[str, Any], list[str]]:
    lists = moment_task.window_lists(aligned, convention)
    official = convention == "qvhighlights"
    empty = any(len(each) == 0 for each in lists)
    results = moment_task.length_results(aligned, lists, official, LENGTH_SETS[lengths])
    columns = moment_task.length_columns(results)
    if official and empty:
        undefined = np.full(len(lists), np.nan)
        columns = [Column(each.name, undefined) if "-R1@" in each.name else each for each in columns]
    groups = {
        "moments, QVHighlights rules": columns,
        "moments, single-window rules": moment_task.recall_columns(aligned, lists, thresholds),
    }
    tables: dict[str, Any] = moment_task.official_tables(results, decided=not (official and empty))
    if highlight_task.has_highlights(aligned) and aligned.truth.queries[0].relevance is not None:
        groups["highlights"] = highlight_task.highlight_columns(aligned)
        tables.update(highlight_task.official_highlights(groups["highlights"]))
        columns = [*columns, *groups["highlights"]]
    return groups, _with_brief(tables, columns), moment_task.list_warnings(lists, convention)


def _corpus(
    aligned: Aligned, convention: str, thresholds: Sequence[float]
) -> tuple[dict[str, list[Column]], Mapping[str, Any], list[str]]:
    if convention == "tvr":
        columns = corpus_task.tvr_columns(aligned)
        return {"corpus, TVR rules": columns}, corpus_task.official_tvr(aligned, columns), []
    moment_task.refuse_without_windows(aligned)
    lists = corpus_task.moment_lists(aligned)
    empty = sum(len(each) == 0 for each in lists)
    warnings = [f"{counted(empty, 'empty list')} (count as 0)"] if empty else []
    return {"corpus": corpus_task.corpus_columns(aligned, lists, thresholds)}, {}, warnings


def _figures(task: str, aligned: Aligned) -> dict[str, Any]:
    if task == "moments":
        return moment_figures(aligned, moment_task.window_lists(aligned, "sorted"))
    if task == "corpus" and any(answer.moments is not None for answer in aligned.answers):
        return corpus_figures(aligned, corpus_task.moment_lists(aligned))
    return {}


def _with_brief(tables: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    return {"brief": {column.name: moment_task.percent(column.values) for column in columns}, **tables}


def argument_parser() -> argparse.ArgumentParser:
    """The options of this module, those of `ctf evaluate predictions`."""
    parser = argparse.ArgumentParser(prog="python -m coarse_to_fine.evaluation.evaluate", description=__doc__)
    parser.add_argument("--task", default="moments", choices=TASKS)
    parser.add_argument("--predictions", required=True, type=Path, metavar="FILE")
    parser.add_argument("--truth", required=True, type=Path, metavar="FILE")
    parser.add_argument("--convention", default="default", help="default, or an official tool by name")
    parser.add_argument(
        "--threshold", action="append", type=float, metavar="IOU", help="of recalls; repeatable; default 0.3, 0.5, 0.7"
    )
    parser.add_argument("--lengths", default="qvhighlights", choices=get_args(Lengths), help="ranges of window length")
    parser.add_argument("--missing", default="refuse", choices=get_args(Missing), help="queries without an answer")
    parser.add_argument("--resamples", default=RESAMPLES, type=int, help="of the bootstrap over videos; 0 for none")
    parser.add_argument("--gallery", type=Path, metavar="FILE", help="JSON lines with the videos that were searched")
    parser.add_argument("--train", type=Path, metavar="FILE", help="annotations the model learned from; none shared")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one HTML page too")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module; exit code 2 for unusable input."""
    given = argument_parser().parse_args(arguments)
    try:
        report = evaluate_predictions(
            given.task,
            given.predictions,
            given.truth,
            given.convention,
            thresholds=given.threshold or RECALL_THRESHOLDS,
            lengths=given.lengths,
            missing=given.missing,
            resamples=given.resamples,
            gallery=given.gallery,
            train=given.train,
        )
        if given.html is not None:
            from coarse_to_fine.evaluation.html_report import write_html

            write_html(given.html, report)
    except (CtfError, OSError) as error:
        place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        print(f"evaluate: {place}{why(error)}", file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        print_report(report)
    return 0


def print_report(report: Report) -> None:
    """The table of a report on stdout."""
    from rich.console import Console

    Console().print(report.to_table())


if __name__ == "__main__":
    sys.exit(main())
