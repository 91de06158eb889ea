"""Runs a pipeline over the queries of a split and measures what it answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from coarse_to_fine.arguments import require_function, require_kind, shown
from coarse_to_fine.datasets.layout import queries_file
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.evaluation.ambiguity import right_videos
from coarse_to_fine.evaluation.evaluate import check_resamples, check_thresholds
from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS
from coarse_to_fine.evaluation.overlap import intersection_over_union
from coarse_to_fine.evaluation.pipeline_report import PipelineReportConfig, pipeline_report
from coarse_to_fine.evaluation.predictions import QueryPrediction, RankedVideos, query_prediction
from coarse_to_fine.evaluation.protocols import QUERY_KINDS, AskedQueries, asked_in_pairs
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.score_stream import best_lists
from coarse_to_fine.evaluation.truth import Truth, TruthQuery, cut_to_videos, read_truth
from coarse_to_fine.fusion import FusionConfig, fuse
from coarse_to_fine.main_pipeline import Pipeline, Query
from coarse_to_fine.types import MomentHit, VideoMoments
from coarse_to_fine.wording import counted, first_of

QUERIES_A_BATCH = 64
LONGEST_LIST = 100
LISTED_VIDEOS = 100
MOST_MOMENTS = 10_000
SHOWN = 5
ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)

Progress = Callable[[int, int, str], None]


def read_queries(folder: Path, split: str, kind: str = "fine") -> Truth:
    """The queries of a split in our annotation layout, with the videos of that split that the library should hold.

    Raises:
        DataError: no such kind or file.
    """
    return cut_to_videos(read_truth(queries_file(folder, split, kind), split))


def read_asked(folder: Path, split: str, kind: str = "fine") -> AskedQueries:
    """The queries of a split under the protocol of their kind: see `protocols.QUERY_KINDS`.

    Raises:
        DataError: no such kind or file, or a sentence whose video has no caption.
    """
    if kind not in QUERY_KINDS:
        raise DataError(f"kind of queries {kind!r}; expected one of {', '.join(QUERY_KINDS)}; name one of them")
    protocol = QUERY_KINDS[kind]
    if protocol in ("P1", "P2"):
        return AskedQueries(read_queries(folder, split, kind), protocol)
    fine, coarse = (read_queries(folder, split, one) for one in ("fine", "coarse"))
    return asked_in_pairs(fine, coarse, joined=protocol == "P4")


def evaluate_pipeline(
    pipeline: Pipeline,
    asked: Truth | AskedQueries,
    *,
    train: Truth | None = None,
    top_videos: int = 10,
    seed: int = 0,
    resamples: int = 1000,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    missing: Literal["refuse", "drop"] = "refuse",
    progress: Progress | None = None,
) -> tuple[list[QueryPrediction], Report]:
    """Answer every query and report both stages; ranks count all videos, and the answers list the best 100.

    Args:
        pipeline: the library that is searched and its models.
        asked: the queries, of fine sentences where no protocol is given; each true video is in the library.
        train: training queries, from which the chance lines draw their windows; None: from the truth itself.
        top_videos: videos that the fine stage looks into.
        seed: of the coarse model's stochastic text.
        resamples: of the bootstrap over videos.
        thresholds: IoU thresholds of recalls.
        missing: `refuse` a truth whose videos are not all in the library, or `drop` the queries of those that are not.
        progress: called after each batch of queries.

    Raises:
        ConfigError: a threshold that is no IoU.
        DataError: a true video is not in the library.
        UserError: no pipeline, or no queries.
    """
    _require_parts(pipeline, asked, train)
    check_thresholds(thresholds)
    check_resamples(resamples)
    require_function(progress, "progress", "(done, total, what)")
    if missing not in ("refuse", "drop"):
        raise ConfigError(f"missing is {shown(missing)}; expected refuse or drop; name one of them")
    stored = {video.video_id for video in pipeline.library.videos()}
    asked = AskedQueries(asked) if isinstance(asked, Truth) else asked
    truth, lost = _of_stored(asked.truth, stored, missing)
    searched = replace(truth, gallery=tuple(sorted(stored)), closed=True)
    right = right_videos(searched)
    answers: list[QueryPrediction] = []
    for start in range(0, len(truth.queries), QUERIES_A_BATCH):
        part = truth.queries[start : start + QUERIES_A_BATCH]
        texts = [asked.coarse_text(query) for query in part]
        both = [Query(text, moment=query.text) for text, query in zip(texts, part)]
        found = pipeline.search_many(both, top_videos=top_videos, top_moments=LONGEST_LIST, seed=seed)
        video_ids, scores = pipeline.score_videos_many(texts, seed)
        ranked = best_lists(video_ids, scores.numpy(), right[start : start + QUERIES_A_BATCH], LISTED_VIDEOS)
        given = pipeline.moments_many([(query.text, str(query.video_id)) for query in part])
        for query, moments, videos, alone in zip(part, found, ranked, given, strict=True):
            answers.append(answer(query.query_id, moments, videos, alone))
        if progress:
            progress(len(answers), len(truth.queries), "")
    config = PipelineReportConfig(
        candidates=top_videos, thresholds=tuple(thresholds), resamples=resamples, protocol=asked.protocol
    )
    report = pipeline_report(searched, answers, train, config, describe(pipeline, seed), asked.owners)
    return answers, replace(report, warnings=(*lost, *report.warnings))


def _require_parts(pipeline: object, asked: object, train: object = None) -> None:
    require_kind(pipeline, Pipeline, "pipeline", "a Pipeline", "load one: Pipeline.load(LIBRARY)")
    step = "read them: read_truth(FILE) of evaluation.truth, or read_queries(FOLDER, SPLIT) of experiment"
    require_kind(asked, Truth | AskedQueries, "what is asked", "queries", step)
    require_kind(train, Truth | None, "train", "queries", step)


def _of_stored(
    truth: Truth, stored: Collection[str], missing: Literal["refuse", "drop"]
) -> tuple[Truth, tuple[str, ...]]:
    """The queries whose video can be found, and a line on those that were left out."""
    absent = sorted({query.video_id for query in truth.queries if query.video_id} - set(stored))
    if not absent:
        return truth, ()
    shown = first_of(absent, SHOWN)
    kept = tuple(query for query in truth.queries if query.video_id is None or query.video_id in stored)
    if not kept:
        raise DataError(
            f"none of {counted(len(absent), 'true video')} is in the library ({shown}); expected the split's videos; "
            "index them, or name the library that holds them"
        )
    if missing == "refuse":
        raise DataError(
            f"{counted(len(absent), 'true video is', 'true videos are')} not in the library ({shown}); expected all; "
            "index the split's videos, or leave their queries out with --missing-video drop"
        )
    lost = counted(len(truth.queries) - len(kept), "query", "queries")
    of = counted(len(absent), "video")
    return truth.with_queries(kept), (f"left out by request: {lost} of {of} that the library lacks ({shown})",)


def answer(query_id: str, found: Sequence[MomentHit], ranked: RankedVideos, given: VideoMoments) -> QueryPrediction:
    """What both stages said to one query."""
    said = query_prediction(
        query_id,
        None,
        [(hit.video_id, hit.start_s, hit.end_s, hit.score) for hit in found],
        [(hit.start_s, hit.end_s, hit.score) for hit in given.hits],
        given.saliency.tolist(),
    )
    return replace(said, videos=ranked)


def describe(pipeline: Pipeline, seed: int) -> str:
    """What was measured: encoder, models, seed."""
    library = pipeline.library
    encoder = f"{library.encoder_name} ({library.encoder_fingerprint[:8]})"
    return f"{encoder}, {pipeline.coarse_name} x {pipeline.fine_name}, seed {seed}"


def choose_fusion(
    pipeline: Pipeline, truth: Truth, *, top_videos: int = 10, threshold: float = 0.5, seed: int = 0
) -> tuple[FusionConfig, float]:
    """The weight and temperature with the best end-to-end R@1 on a validation split, and that recall in percent.

    Args:
        pipeline: its library holds the validation videos.
        truth: validation queries, never those of a test split.
        top_videos: videos that the fine stage looks into.
        threshold: IoU that counts as found.
        seed: of the coarse model's stochastic text.
    """
    _require_parts(pipeline, truth)
    pools = []
    for start in range(0, len(truth.queries), QUERIES_A_BATCH):
        part = truth.queries[start : start + QUERIES_A_BATCH]
        texts = [query.text for query in part]
        found = pipeline.search_many(texts, top_videos=top_videos, top_moments=MOST_MOMENTS, seed=seed)
        pools += [_pool(query, hits, threshold) for query, hits in zip(part, found, strict=True)]
    choices = [FusionConfig(alpha=alpha, temperature=t) for alpha in ALPHAS for t in TEMPERATURES]
    recalls = [100 * float(np.mean([_found(pool, choice) for pool in pools])) for choice in choices]
    best = int(np.argmax(recalls))
    return choices[best], recalls[best]


@dataclass(frozen=True, slots=True)
class _Pool:
    """All moments of one query: score of the video, confidence, whether it is right; and the videos' scores."""

    coarse: Tensor
    confidence: Tensor
    right: Tensor
    videos: Tensor


def _pool(query: TruthQuery, hits: Sequence[MomentHit], threshold: float) -> _Pool:
    overlaps = [
        float(intersection_over_union(np.array([[hit.start_s, hit.end_s]]), query.windows).max(initial=0.0))
        if hit.video_id == query.video_id
        else 0.0
        for hit in hits
    ]
    videos = {hit.video_id: hit.coarse_score for hit in hits}
    return _Pool(
        torch.tensor([hit.coarse_score for hit in hits]),
        torch.tensor([hit.moment_score for hit in hits]),
        torch.tensor(overlaps) >= threshold,
        torch.tensor(list(videos.values())),
    )


def _found(pool: _Pool, choice: FusionConfig) -> bool:
    if not len(pool.coarse):
        return False
    log_p = pool.coarse / choice.temperature - torch.logsumexp(pool.videos / choice.temperature, dim=0)
    return bool(pool.right[int(fuse(log_p, pool.confidence, choice).argmax())])
