"""Ranks the videos of a library for sentences: every segment is scored, a video counts by the best of its segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache, blocks
from coarse_to_fine.coarse_grained.ranking import best_per_video, stable_top
from coarse_to_fine.errors import UserError

MEMORY_BYTES = 4 << 30
SCORES_AT_ONCE = 2**26
"""Largest T * V of one score matrix: more texts are ranked in groups."""


class SegmentBlock(Protocol):
    """Some segments of a gallery: their ids, `<video id>#<number>`, and their (V, F, D) coarse frames."""

    @property
    def segment_ids(self) -> Sequence[str]: ...
    @property
    def frames(self) -> Tensor: ...


class Gallery(Protocol):
    """What is searched; a library is one. Equal generations mean equal content."""

    @property
    def generation(self) -> int: ...
    def frames_matrix(self) -> Iterable[SegmentBlock]: ...


@dataclass(frozen=True, slots=True)
class RankedVideo:
    """A video as the coarse stage ranks it.

    Attributes:
        video_id: id in the library.
        score: of its best segment.
        rank: 1 for the best.
        segment_ids: its best segments, best first.
    """

    video_id: str
    score: float
    rank: int
    segment_ids: tuple[str, ...]


class CoarseRetriever:
    """A coarse model with the caches of a gallery, kept between searches and renewed when the gallery changes.

    Args:
        model: in eval mode.
        gallery: a library, or whatever gives blocks of segments.
        memory_bytes: caches that would go beyond it are computed anew in each search, which is slow and bounded.
        compact: keep smaller caches (see `CoarseModel.compact`).
    """

    def __init__(
        self, model: CoarseModel, gallery: Gallery, memory_bytes: int = MEMORY_BYTES, compact: bool = False
    ) -> None:
        self.model, self.gallery = model, gallery
        self._memory_bytes, self._compact = memory_bytes, compact
        self._blocks: list[_Block] = []
        self._content: _Content | None = None

    def rank(
        self, text: Float[Tensor, "T D"], top_videos: int = 10, segments_a_video: int = 1, seed: int = 0
    ) -> list[list[RankedVideo]]:
        """The best videos of every text, best first; ties in the order of the video ids, then of time.

        Args:
            text: sentence embeddings of the gallery's encoder, not normalised.
            top_videos: length of each list; fewer come back from a small gallery.
            segments_a_video: segments named of each video.
            seed: of the model's noise.

        Raises:
            UserError: a count below 1.
        """
        if top_videos < 1 or segments_a_video < 1:
            raise UserError(
                f"top_videos is {top_videos}, segments_a_video {segments_a_video}; expected 1 or more; raise them"
            )
        content = self._refresh()
        if not content.video_ids:
            return [[] for _ in text]
        ranked: list[list[RankedVideo]] = []
        for part in blocks(len(text), SCORES_AT_ONCE // len(content.segment_ids)):
            scores = self._scores(text[part], seed).cpu()
            videos = best_per_video(scores, content.video_of_segment, len(content.video_ids))
            best = stable_top(videos, top_videos)
            for row, columns, values in zip(scores, best.indices.tolist(), best.scores.tolist()):
                named = [content.best_segments(row, video, segments_a_video) for video in columns]
                ranked.append(
                    [
                        RankedVideo(content.video_ids[video], value, rank, segments)
                        for rank, (video, value, segments) in enumerate(zip(columns, values, named), 1)
                    ]
                )
        return ranked

    def _scores(self, text: Float[Tensor, "T D"], seed: int) -> Float[Tensor, "T V"]:
        caches = (block.cache if block.cache is not None else self._new_cache(block.frames) for block in self._blocks)
        return torch.cat([self.model.score_cached(text, cache, seed) for cache in caches], dim=1)

    def _new_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        cache = self.model.video_cache(frames)
        return self.model.compact(cache) if self._compact else cache

    def _refresh(self) -> _Content:
        """Renew what a writer has changed; blocks that are still mapped keep their caches."""
        generation = self.gallery.generation
        if self._content is not None and self._content.generation == generation:
            return self._content
        known = {id(block.frames): block for block in self._blocks}
        ids: list[str] = []
        self._blocks, used = [], 0
        for block in self.gallery.frames_matrix():
            if not len(block.segment_ids):
                continue
            ids.extend(block.segment_ids)
            old = known.get(id(block.frames))
            cache = old.cache if old is not None else None
            if cache is None and used < self._memory_bytes:
                cache = self._new_cache(block.frames)
            own = _bytes(cache, block.frames)
            cache = cache if used + own <= self._memory_bytes else None
            used += own if cache is not None else 0
            self._blocks.append(_Block(block.frames, cache))
        self._content = _Content.of(generation, ids)
        return self._content


@dataclass(frozen=True, slots=True)
class _Block:
    """Frames of some segments, and their cache where there is memory for it."""

    frames: Tensor
    cache: VideoCache | None


@dataclass(frozen=True, slots=True)
class _Content:
    """The gallery's segments in the order of the blocks, and its videos in the order of their ids.

    Attributes:
        generation: of the gallery when it was read.
        segment_ids: V ids.
        video_ids: N ids, sorted.
        video_of_segment: (V,) index into `video_ids`.
        segments_of_video: columns of each video's segments, in the order of time.
    """

    generation: int
    segment_ids: list[str]
    video_ids: list[str]
    video_of_segment: Tensor
    segments_of_video: list[list[int]]

    @classmethod
    def of(cls, generation: int, segment_ids: list[str]) -> _Content:
        owners = [segment_id.rpartition("#")[0] for segment_id in segment_ids]
        video_ids = sorted(set(owners))
        number = {video_id: index for index, video_id in enumerate(video_ids)}
        segments: list[list[int]] = [[] for _ in video_ids]
        for column, owner in enumerate(owners):
            segments[number[owner]].append(column)
        for own in segments:
            own.sort(key=lambda column: int(segment_ids[column].rpartition("#")[2]))
        index = torch.tensor([number[owner] for owner in owners], dtype=torch.int64)
        return cls(generation, segment_ids, video_ids, index, segments)

    def best_segments(self, scores: Float[Tensor, " V"], video: int, count: int) -> tuple[str, ...]:
        """Ids of a video's best segments; ties in the order of time."""
        columns = self.segments_of_video[video]
        own = scores[columns]
        order = torch.argsort(own, descending=True, stable=True)[:count].tolist()
        return tuple(self.segment_ids[columns[index]] for index in order)


def _bytes(cache: VideoCache | None, frames: Tensor) -> int:
    """Memory of a cache beside the frames themselves, which are mapped."""
    if cache is None:
        return 0
    return sum(value.nbytes for value in cache.values() if value.data_ptr() != frames.data_ptr())
