"""Joins annotations with features into training examples, which are read when asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.store import FeatureItem, FeatureReader
from coarse_to_fine.types import SegmentFeatures, TextFeatures
from coarse_to_fine.wording import counted

LEAST_SHARE = 0.5
"""A segment shows a window if at least this share of the window lies in it."""


@dataclass(frozen=True, slots=True)
class Saliency:
    """Annotated saliency within a segment.

    Attributes:
        clip_ids: relevant clips, counted from the start of the segment.
        scores: for each of them, the scores of the annotators.
    """

    clip_ids: tuple[int, ...]
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One sentence and one segment of its video.

    Attributes:
        query_id: of the annotation; a query whose windows lie in several segments gives several examples.
        video_id: the true video.
        text: features of the sentence.
        segment: features of the segment.
        windows_s: (G, 2) true windows in seconds from the start of the segment, clipped to it, ascending; (0, 2) for
            coarse captions.
        duration_s: length of the segment.
        saliency: where annotated.
    """

    query_id: str
    video_id: str
    text: TextFeatures
    segment: SegmentFeatures
    windows_s: Float[Tensor, "G 2"]
    duration_s: float
    saliency: Saliency | None = None


class ExampleSet(Sequence[TrainingExample]):
    """Training examples of queries, in the order of the queries and then of the segments.

    Attributes:
        videos, texts: the folders that are joined.
        left_out: ids of queries whose windows all lie past the end of their video.
    """

    def __init__(self, queries: Iterable[MomentQuery], videos: str | Path, texts: str | Path) -> None:
        """Join.

        Args:
            queries: those without windows pair with every segment of their video, the others with the segments that
                show a window.
            videos, texts: folders that `features.extract` wrote.

        Raises:
            DataError: features of a video or a sentence are missing; says how many.
        """
        self.videos = FeatureReader(videos)
        self.texts = FeatureReader(texts)
        queries = list(queries)
        self._pairs = _join(queries, self.videos, self.texts)
        used = {query.query_id for query, _ in self._pairs}
        self.left_out = [query.query_id for query in queries if query.query_id not in used]

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> TrainingExample: ...
    @overload
    def __getitem__(self, index: slice) -> list[TrainingExample]: ...
    def __getitem__(self, index: int | slice) -> TrainingExample | list[TrainingExample]:
        if isinstance(index, slice):
            return [self._example(*pair) for pair in self._pairs[index]]
        return self._example(*self._pairs[index])

    def sha256(self) -> str:
        """Over queries, windows and the features of both folders, by their shards."""
        digest = hashlib.sha256()
        for query, item in self._pairs:
            times = [item.about.get(name) for name in ("start_s", "end_s", "clip_seconds")]
            asked = [query.query_id, query.text, query.windows_s, query.extras, item.item_id, times]
            digest.update(json.dumps(asked, sort_keys=True).encode())
        for reader in (self.videos, self.texts):
            digest.update(reader.manifest.fingerprint.encode())
            digest.update(json.dumps(sorted(sha256 for _, sha256, _ in reader.manifest.shards)).encode())
        return digest.hexdigest()

    def widths(self) -> list[tuple[int, int]]:
        """Width of the clips and of the word states of each example; no features are read for it."""
        return [
            (item.shapes["clips"][-1], self.texts.item(query.text).shapes["tokens"][-1]) for query, item in self._pairs
        ]

    def queries(self) -> list[MomentQuery]:
        """The query of each example."""
        return [query for query, _ in self._pairs]

    def _example(self, query: MomentQuery, item: FeatureItem) -> TrainingExample:
        segment = segment_features(self.videos, item)
        return TrainingExample(
            query_id=query.query_id,
            video_id=query.video_id,
            text=text_features(self.texts, query.text),
            segment=segment,
            windows_s=_windows(query, item),
            duration_s=segment.duration_s,
            saliency=_saliency(query, segment),
        )


def text_features(reader: FeatureReader, text: str) -> TextFeatures:
    """Stored features of a sentence.

    Raises:
        DataError: it is not stored.
    """
    tensors = reader.read(text, "embedding", "tokens")
    return TextFeatures(text, tensors["embedding"], tensors["tokens"], bool(reader.item(text).about["truncated"]))


def segment_features(reader: FeatureReader, item: FeatureItem) -> SegmentFeatures:
    """Stored features of a segment."""
    tensors, about = reader.read(item.item_id, "frames", "clips"), item.about
    return SegmentFeatures(
        segment_id=item.item_id,
        video_id=about["video_id"],
        start_s=about["start_s"],
        end_s=about["end_s"],
        clip_seconds=about["clip_seconds"],
        frames=tensors["frames"],
        clips=tensors["clips"],
    )


def segments_by_video(reader: FeatureReader) -> dict[str, list[FeatureItem]]:
    """Segments of each video in the order of time."""
    found: dict[str, list[FeatureItem]] = {}
    for item_id in reader:
        item = reader.item(item_id)
        found.setdefault(item.about["video_id"], []).append(item)
    return {video_id: sorted(items, key=lambda item: item.about["start_s"]) for video_id, items in found.items()}


def _join(
    queries: Sequence[MomentQuery], videos: FeatureReader, texts: FeatureReader
) -> list[tuple[MomentQuery, FeatureItem]]:
    segments = segments_by_video(videos)
    lost_videos = sorted({query.video_id for query in queries} - segments.keys())
    lost_texts = sorted({query.text for query in queries if query.text not in texts})
    for lost, what, reader in ((lost_videos, "video", videos), (lost_texts, "sentence", texts)):
        if lost:
            raise DataError(
                f"{reader.folder} lacks {counted(len(lost), what)} of the annotations, the first is {lost[0]!r}; "
                "expected features of all; extract the missing ones, or leave their queries out"
            )
    return [(query, item) for query in queries for item in _showing(query, segments[query.video_id])]


def _showing(query: MomentQuery, items: Sequence[FeatureItem]) -> list[FeatureItem]:
    """Segments that show a window of the query, at least the one that shows most of one; none past their end."""
    if not query.windows_s:
        return list(items)
    shares = [max(_shown_share(window, item) for window in query.windows_s) for item in items]
    least = min(LEAST_SHARE, max(shares))
    return [item for item, share in zip(items, shares) if share >= least and share > 0]


def _shown_share(window: tuple[float, float], item: FeatureItem) -> float:
    (start, end), (segment_start, segment_end) = window, _bounds(item)
    return max(0.0, min(end, segment_end) - max(start, segment_start)) / (end - start)


def _bounds(item: FeatureItem) -> tuple[float, float]:
    return float(item.about["start_s"]), float(item.about["end_s"])


def _windows(query: MomentQuery, item: FeatureItem) -> Tensor:
    """(G, 2) windows relative to the segment; parts that the segment barely shows are left out if another remains."""
    shares = [_shown_share(window, item) for window in query.windows_s]
    least = min(LEAST_SHARE, max(shares, default=0.0))
    shown = [window for window, share in zip(query.windows_s, shares) if share >= least and share > 0]
    segment_start, segment_end = _bounds(item)
    relative = torch.tensor(sorted(shown), dtype=torch.float32).reshape(-1, 2) - segment_start
    return relative.clamp(0, segment_end - segment_start)


def _saliency(query: MomentQuery, segment: SegmentFeatures) -> Saliency | None:
    annotated = query.extras.get("saliency")
    if annotated is None:
        return None
    if abs(annotated["clip_s"] - segment.clip_seconds) > 1e-6:
        raise DataError(
            f"saliency of {query.query_id!r} has clips of {annotated['clip_s']:g} s, the features have clips of "
            f"{segment.clip_seconds:g} s; expected the same; extract features with clip_seconds {annotated['clip_s']:g}"
        )
    first, count = round(segment.start_s / segment.clip_seconds), len(segment.clips)
    inside = [
        (clip - first, tuple(map(float, votes)))
        for clip, votes in zip(annotated["clip_ids"], annotated["scores"], strict=True)
        if first <= clip < first + count
    ]
    return Saliency(tuple(clip for clip, _ in inside), tuple(votes for _, votes in inside))


def examples_sha256(examples: Sequence[TrainingExample]) -> str:
    """Over all that a training learns from, so that a run is not continued on other data."""
    if isinstance(examples, ExampleSet):
        return examples.sha256()
    digest = hashlib.sha256()
    for one in examples:
        digest.update(
            json.dumps([one.query_id, one.text.text, one.windows_s.tolist(), one.segment.segment_id]).encode()
        )
        for tensor in (one.text.embedding, one.text.tokens, one.segment.frames, one.segment.clips):
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
