"""Runs one stage over the extracted features of a split and measures it; no library and no encoder is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.ranking import best_per_video
from coarse_to_fine.coarse_grained.rescoring import scores_as_searched
from coarse_to_fine.datasets.layout import queries_file
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.evaluation.evaluate import check_names, check_thresholds, evaluate
from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS, Lengths
from coarse_to_fine.evaluation.predictions import QueryPrediction, RankedVideos, predictions_in_memory
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.truth import Truth, read_truth
from coarse_to_fine.evaluation.video_retrieval import dual_softmax as weighted_by_texts
from coarse_to_fine.features.examples import segment_features, segments_by_video, text_features
from coarse_to_fine.features.published.order import check_stream_order
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.features.training_set import only_split
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.feature_blocks import FeatureBlocks
from coarse_to_fine.fine_grained.merge import merge_moments, stitch_saliency
from coarse_to_fine.fine_grained.postprocess import OFFICIAL, Official, official_postprocess
from coarse_to_fine.fine_grained.retrieve import FineRetriever
from coarse_to_fine.types import SegmentFeatures

TEXTS_A_BATCH = 64


def evaluate_fine(
    model: FineModel,
    folder: str | Path,
    split: str | None = None,
    *,
    nms: float = 1.0,
    official: Official | None = None,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    lengths: Lengths = "qvhighlights",
    resamples: int = 1000,
    title: str = "fine stage",
) -> tuple[list[QueryPrediction], Report]:
    """Locate the moments of every query in its own video.

    Args:
        model: the fine model.
        folder: a training set: `annotations/`, `videos/`, `texts/`.
        split: name of the split; None where there is one.
        nms: moments that overlap a better one by more IoU are dropped; 1 keeps all, as the releases do.
        official: the set by whose released post-processing windows are rounded and clamped; None: not at all.
        thresholds: IoU thresholds of recalls.
        lengths: ranges of window length that mAP is broken down by.
        resamples: of the bootstrap over videos.
        title: says which model, for the report.

    Raises:
        DataError: features are missing, or of other streams than the model reads.
    """
    check_names("moments", "default", lengths=lengths)
    check_thresholds(thresholds)
    if official is not None and official not in OFFICIAL:
        raise ConfigError(
            f"official post-processing of {official!r}; expected one of {', '.join(OFFICIAL)}; name one of them"
        )
    folder = Path(folder)
    truth = read_truth(_annotations(folder, split, "fine"))
    videos, texts = FeatureReader(folder / "videos"), FeatureReader(folder / "texts")
    _check_streams(model, videos)
    answers = list(_located(model, truth, videos, texts, nms, official))
    source = f"{title}, {_made_by(videos)}" + (f", official post-processing of {official}" if official else "")
    read = predictions_in_memory(answers, source)
    return answers, evaluate("moments", truth, read, thresholds=thresholds, resamples=resamples, lengths=lengths)


def evaluate_coarse(
    model: CoarseModel,
    folder: str | Path,
    split: str | None = None,
    *,
    queries: str = "fine",
    seed: int = 0,
    dual_softmax: bool = False,
    resamples: int = 1000,
    title: str = "coarse stage",
) -> tuple[list[QueryPrediction], Report]:
    """Rank the videos of a split for each of its sentences; a video's score is that of its best segment.

    Args:
        model: the coarse model.
        folder: a training set: `annotations/`, `videos/`, `texts/`.
        split: name of the split; None where there is one.
        queries: `fine` for sentences of moments, `coarse` for captions of whole videos.
        seed: of the stochastic text.
        dual_softmax: weigh each score by its softmax over all sentences of the split, as some published numbers do; a
            search has no other sentences, so such numbers are not those of a search.
        resamples: of the bootstrap over videos.
        title: says which model, for the report.

    Raises:
        DataError: features are missing, or an import without coarse frames.
    """
    folder = Path(folder)
    truth = read_truth(_annotations(folder, split, queries))
    videos, texts = FeatureReader(folder / "videos"), FeatureReader(folder / "texts")
    answers = list(_ranked(model, truth, videos, texts, seed, dual_softmax))
    weighted = ", dual softmax over the split's sentences" if dual_softmax else ""
    source = f"{title}, {_made_by(videos)}, seed {seed}{weighted}"
    return answers, evaluate("videos", truth, predictions_in_memory(answers, source), resamples=resamples)


class _StoredSegments:
    """Segments of a feature folder by id."""

    def __init__(self, reader: FeatureReader) -> None:
        self._reader = reader

    def __getitem__(self, segment_id: str, /) -> SegmentFeatures:
        return segment_features(self._reader, self._reader.item(segment_id))


def _located(
    model: FineModel, truth: Truth, videos: FeatureReader, texts: FeatureReader, nms: float, official: Official | None
) -> Iterator[QueryPrediction]:
    segments = segments_by_video(videos)
    _refuse_missing([str(query.video_id) for query in truth.queries], segments, videos.folder)
    retriever, stored = FineRetriever(model), _StoredSegments(videos)
    for start in range(0, len(truth.queries), TEXTS_A_BATCH):
        part = truth.queries[start : start + TEXTS_A_BATCH]
        own = [[item.item_id for item in segments[str(query.video_id)]] for query in part]
        found = retriever.locate([text_features(texts, query.text) for query in part], own, stored)
        for query, ids, outputs in zip(part, own, found, strict=True):
            parts = [stored[segment_id] for segment_id in ids]
            ordered = [outputs[segment_id] for segment_id in ids]
            end_s = max(each.end_s for each in parts)
            moments = merge_moments(parts, ordered, end_s, 1.0 if official else nms)
            rows = [[moment.start_s, moment.end_s, moment.score] for moment in moments]
            if official is not None:
                rows = official_postprocess(rows, official, nms)
            clips = max(round(each.start_s / each.clip_seconds) + len(each.clips) for each in parts)
            curve = stitch_saliency(parts, ordered, clips).double().numpy()
            windows = np.array(rows, dtype=np.float64).reshape(-1, 3)
            yield QueryPrediction(query.query_id, windows, curve)


def _ranked(
    model: CoarseModel, truth: Truth, videos: FeatureReader, texts: FeatureReader, seed: int, dual: bool
) -> Iterator[QueryPrediction]:
    segments = segments_by_video(videos)
    _refuse_missing(list(truth.gallery), segments, videos.folder)
    names = list(truth.gallery)
    items = [(place, item) for place, name in enumerate(names) for item in segments[name]]
    frames = torch.stack([videos.read(item.item_id, "frames")["frames"] for _, item in items])  # (S, F, D)
    if not frames.shape[1]:
        raise DataError(
            f"{videos.folder} holds no coarse frames, it was imported; expected features of `ctf extract`; extract them"
        )
    owner = torch.tensor([place for place, _ in items])
    cache = model.ranker.video_cache(frames)
    parts = []
    for start in range(0, len(truth.queries), TEXTS_A_BATCH):
        part = truth.queries[start : start + TEXTS_A_BATCH]
        text = torch.stack([text_features(texts, query.text).embedding for query in part])
        parts.append(best_per_video(scores_as_searched(model, text, frames, cache, seed), owner, len(names)))
    scores = torch.cat(parts)  # (T, V)
    for query, row in zip(truth.queries, weighted_by_texts(scores) if dual else scores, strict=True):
        order = torch.argsort(row, descending=True, stable=True).tolist()
        ranked = RankedVideos(tuple(names[place] for place in order), row[order].double().numpy())
        yield QueryPrediction(query.query_id, videos=ranked)


def _annotations(folder: Path, split: str | None, queries: str) -> Path:
    annotations = folder / "annotations"
    return queries_file(annotations, split if split and annotations.is_dir() else only_split(folder), queries)


def _refuse_missing(wanted: Sequence[str], there: Mapping[str, object], folder: Path) -> None:
    lost = sorted(set(wanted) - there.keys())
    if lost:
        raise DataError(
            f"{folder} lacks {len(lost)} of {len(set(wanted))} videos ({', '.join(lost[:5])}); expected features of "
            "all; extract the missing ones, or leave their queries out"
        )


def _check_streams(model: FineModel, videos: FeatureReader) -> None:
    if isinstance(model.config, FeatureBlocks):
        check_stream_order(videos.manifest.encoder, model.config.block_widths, model.config.feature_names)


def _made_by(videos: FeatureReader) -> str:
    return f"features {videos.manifest.encoder.get('name', '?')} ({videos.manifest.fingerprint[:8]})"
