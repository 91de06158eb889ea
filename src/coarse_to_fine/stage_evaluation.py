"""Runs one stage over the extracted features of a split and measures it; no library and no encoder is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from coarse_to_fine.arguments import require_kind, require_path
from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.gallery_scores import SEGMENTS_AT_ONCE, video_scores
from coarse_to_fine.datasets.layout import queries_file
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.evaluation.evaluate import check_names, check_resamples, check_thresholds, evaluate, evaluate_ranks
from coarse_to_fine.evaluation.moment_retrieval import RECALL_THRESHOLDS, Lengths
from coarse_to_fine.evaluation.predictions import QueryPrediction, RankedVideos, predictions_in_memory
from coarse_to_fine.evaluation.report import Report
from coarse_to_fine.evaluation.score_stream import TOP, ScoreBlock, Stream, StreamedRanks, rank_stream
from coarse_to_fine.evaluation.truth import Truth, read_truth
from coarse_to_fine.evaluation.video_retrieval import dual_softmax as weighted_by_texts
from coarse_to_fine.features.examples import segment_features, segments_by_video, text_features
from coarse_to_fine.features.published.order import check_stream_order
from coarse_to_fine.features.store import FeatureReader, require_one_encoder
from coarse_to_fine.features.training_set import only_split
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.feature_blocks import FeatureBlocks
from coarse_to_fine.fine_grained.merge import merge_moments, stitch_saliency
from coarse_to_fine.fine_grained.postprocess import OFFICIAL, Official, official_postprocess
from coarse_to_fine.fine_grained.retrieve import FineRetriever
from coarse_to_fine.types import SegmentFeatures
from coarse_to_fine.wording import counted, first_of

TEXTS_A_BATCH = 64


@dataclass(frozen=True, slots=True)
class FineAnswers:
    """The moments that a fine model found for every sentence of a split in its own video.

    Attributes:
        truth: the sentences; none has windows where the split keeps them back.
        answers: one a sentence, in the same order.
        source: features and post-processing, for the report.
    """

    truth: Truth
    answers: list[QueryPrediction]
    source: str

    @property
    def can_be_measured(self) -> bool:
        """Whether windows are known."""
        return any(len(query.windows) for query in self.truth.queries)


def answer_fine(
    model: FineModel,
    folder: str | Path,
    split: str | None = None,
    *,
    nms: float = 1.0,
    official: Official | None = None,
) -> FineAnswers:
    """Locate the moments of every query in its own video; of a split without windows, of every caption.

    Args:
        model: the fine model.
        folder: a training set: `annotations/`, `videos/`, `texts/`.
        split: name of the split; None where there is one.
        nms: moments that overlap a better one by more IoU are dropped; 1 keeps all, as the releases do.
        official: the set by whose released post-processing windows are rounded and clamped; None: not at all.

    Raises:
        DataError: features are missing, or of other streams than the model reads.
    """
    require_kind(model, FineModel, "model", "a fine model", "load one: load_fine(NAME) of fine_grained")
    require_path(folder, "the folder of features")
    if official is not None and official not in OFFICIAL:
        raise ConfigError(
            f"official post-processing of {official!r}; expected one of {', '.join(OFFICIAL)}; name one of them"
        )
    folder = Path(folder)
    path = _annotations(folder, split, "fine")
    truth = read_truth(path)
    captions = path.with_name(path.name.replace("queries", "coarse", 1))
    if not truth.queries and captions.is_file():
        truth = read_truth(captions)
    videos, texts = FeatureReader(folder / "videos"), FeatureReader(folder / "texts")
    require_one_encoder([videos, texts])
    _check_streams(model, videos)
    answers = list(_located(model, truth, videos, texts, nms, official))
    source = _made_by(videos) + (f", official post-processing of {official}" if official else "")
    return FineAnswers(truth, answers, source)


def measure_fine(
    found: FineAnswers,
    *,
    thresholds: Sequence[float] = RECALL_THRESHOLDS,
    lengths: Lengths = "qvhighlights",
    resamples: int = 1000,
    title: str = "fine stage",
) -> Report:
    """The metrics of answers to a split whose windows are known.

    Args:
        found: the answers.
        thresholds: IoU thresholds of recalls.
        lengths: ranges of window length that mAP is broken down by.
        resamples: of the bootstrap over videos.
        title: says which model, for the report.

    Raises:
        DataError: no windows are known.
    """
    if not found.can_be_measured:
        raise DataError(
            f"{found.truth.source}: no sentence has a window; expected true windows to measure by; keep the answers "
            "alone, with --predictions FILE"
        )
    read = predictions_in_memory(found.answers, f"{title}, {found.source}")
    return evaluate("moments", found.truth, read, thresholds=thresholds, resamples=resamples, lengths=lengths)


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
    """`answer_fine`, then `measure_fine`: the answers and their report; arguments as there, checked before any work.

    Raises:
        DataError: features are missing, or of other streams than the model reads; no windows are known.
    """
    check_names("moments", "default", lengths=lengths)
    check_thresholds(thresholds)
    check_resamples(resamples)
    found = answer_fine(model, folder, split, nms=nms, official=official)
    report = measure_fine(found, thresholds=thresholds, lengths=lengths, resamples=resamples, title=title)
    return found.answers, report


def evaluate_coarse(
    model: CoarseModel,
    folder: str | Path,
    split: str | None = None,
    *,
    queries: str = "fine",
    gallery: str | Path | None = None,
    seed: int = 0,
    dual_softmax: bool = False,
    listed: int = TOP,
    segments_at_once: int = SEGMENTS_AT_ONCE,
    resamples: int = 1000,
    title: str = "coarse stage",
) -> tuple[list[QueryPrediction], Report]:
    """Rank the videos of a split for each of its sentences, and the sentences for each video.

    A video's score is that of its best segment.

    The gallery is read block by block, twice where its scores do not fit into 128 MB. Ranks are counted over all
    videos, and the answers name the best ones only.

    Args:
        model: the coarse model.
        folder: a training set: `annotations/`, `videos/`, `texts/`.
        split: name of the split; None where there is one.
        queries: `fine` for sentences of moments, `coarse` for captions of whole videos.
        gallery: JSON lines with the videos that are ranked; None: those that the sentences name.
        seed: of the stochastic text.
        dual_softmax: weigh each score by its softmax over all sentences of the split, as some published numbers do; a
            search has no other sentences, so such numbers are not those of a search. Sentences of one video are ranked
            by the weighed scores too, whose order differs only where scores are negative.
        listed: videos that each answer names; all of a smaller gallery.
        segments_at_once: of a block of the gallery; it changes memory and time, and no number.
        resamples: of the bootstrap over videos.
        title: says which model, for the report.

    Raises:
        DataError: features are missing, or an import without coarse frames.
    """
    require_kind(model, CoarseModel, "model", "a coarse model", "load one: load_coarse(NAME) of coarse_grained")
    require_path(folder, "the folder of features")
    check_resamples(resamples)
    if listed < 1 or segments_at_once < 1:
        raise ConfigError(f"listed is {listed}, segments_at_once {segments_at_once}; expected 1 or more; raise them")
    folder = Path(folder)
    given = Path(gallery) if gallery is not None else None
    path = _annotations(folder, split, queries)
    truth = read_truth(path, gallery=given)
    if not truth.queries:
        raise DataError(f"{path} holds no sentence; expected at least one; check --split and --queries")
    videos, texts = FeatureReader(folder / "videos"), FeatureReader(folder / "texts")
    require_one_encoder([videos, texts])
    stream = _scores(model.eval(), truth, videos, texts, seed, segments_at_once)
    place = {name: number for number, name in enumerate(truth.gallery)}
    true = [[place[name] for name in query.answers] for query in truth.queries]
    ranks = rank_stream(_weighted(stream) if dual_softmax else stream, true, listed)
    weighted = ", dual softmax over the split's sentences" if dual_softmax else ""
    source = f"{title}, {_made_by(videos)}, seed {seed}{weighted}"
    return _best_videos(truth, ranks), evaluate_ranks(truth, ranks, source, resamples)


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
    retriever, stored = FineRetriever(model.eval()), _StoredSegments(videos)
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
            yield QueryPrediction(query.query_id, windows, curve, video_id=query.video_id, text=query.text)


def _scores(
    model: CoarseModel, truth: Truth, videos: FeatureReader, texts: FeatureReader, seed: int, segments_at_once: int
) -> Stream:
    """Scores of the sentences with the videos of the gallery, whose frames are read when they are needed."""
    segments = segments_by_video(videos)
    _refuse_missing(list(truth.gallery), segments, videos.folder)
    own = [segments[name] for name in truth.gallery]
    items = [item.item_id for each in own for item in each]

    def frames_of(columns: Tensor) -> Tensor:
        frames = torch.stack([videos.read(items[column], "frames")["frames"] for column in columns.tolist()])
        if not frames.shape[1]:
            raise DataError(
                f"{videos.folder} holds no coarse frames, it was imported; expected features of `ctf extract`; "
                "extract them"
            )
        return frames  # (K, F, D)

    text = torch.stack([texts.read(query.text, "embedding")["embedding"] for query in truth.queries])  # (T, D)
    return video_scores(model, text, [len(each) for each in own], frames_of, seed, segments_at_once)


def _weighted(stream: Stream) -> Stream:
    """Each block holds the scores of all sentences, which is what the softmax runs over."""
    return lambda: (
        ScoreBlock(block.first_video, weighted_by_texts(torch.from_numpy(block.scores)).numpy()) for block in stream()
    )


def _best_videos(truth: Truth, ranks: StreamedRanks) -> list[QueryPrediction]:
    return [
        QueryPrediction(query.query_id, videos=RankedVideos(tuple(truth.gallery[video] for video in videos), scores))
        for query, videos, scores in zip(truth.queries, ranks.top_videos.tolist(), ranks.top_scores, strict=True)
    ]


def _annotations(folder: Path, split: str | None, queries: str) -> Path:
    annotations = folder / "annotations"
    return queries_file(annotations, split if split and annotations.is_dir() else only_split(folder), queries)


def _refuse_missing(wanted: Sequence[str], there: Mapping[str, object], folder: Path) -> None:
    lost = sorted(set(wanted) - there.keys())
    if lost:
        raise DataError(
            f"{folder} lacks {len(lost)} of {counted(len(set(wanted)), 'video')} ({first_of(lost)}); expected "
            "features of all; extract the missing ones, or leave their queries out"
        )


def _check_streams(model: FineModel, videos: FeatureReader) -> None:
    config = getattr(model, "config", None)  # a model of one's own may have none
    if isinstance(config, FeatureBlocks):
        check_stream_order(videos.manifest.encoder, config.block_widths, config.feature_names)


def _made_by(videos: FeatureReader) -> str:
    return f"features {videos.manifest.encoder.get('name', '?')} ({videos.manifest.fingerprint[:8]})"
