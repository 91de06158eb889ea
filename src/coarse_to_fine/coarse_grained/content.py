"""What a retriever knows of the segments of a gallery: their ids, videos and features.

Axes: V segments, N videos, K asked segments, F frames, D width.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.coarse_grained.base import VideoCache


@dataclass(frozen=True, slots=True)
class Block:
    """Frames of some segments, (V, F, D), and their cache where there is memory for it."""

    frames: Tensor
    cache: VideoCache | None


@dataclass(frozen=True, slots=True)
class Content:
    """The gallery's segments in the order of the blocks, and its videos in the order of their ids.

    Attributes:
        generation: of the gallery when it was read.
        blocks: of the segments.
        starts: first column of each block.
        segment_ids: V ids.
        video_ids: N ids, sorted.
        video_of_segment: (V,) index into `video_ids`.
        segments_of_video: columns of each video's segments, in the order of time.
    """

    generation: int
    blocks: Sequence[Block]
    starts: Sequence[int]
    segment_ids: list[str]
    video_ids: list[str]
    video_of_segment: Tensor
    segments_of_video: list[list[int]]

    @classmethod
    def of(cls, generation: int, blocks: Sequence[Block], segment_ids: list[str]) -> Content:
        owners = [segment_id.rpartition("#")[0] for segment_id in segment_ids]
        video_ids = sorted(set(owners))
        number = {video_id: index for index, video_id in enumerate(video_ids)}
        segments: list[list[int]] = [[] for _ in video_ids]
        for column, owner in enumerate(owners):
            segments[number[owner]].append(column)
        for own in (own for own in segments if len(own) > 1):
            own.sort(key=lambda column: int(segment_ids[column].rpartition("#")[2]))
        index = torch.tensor([number[owner] for owner in owners], dtype=torch.int64)
        starts = torch.tensor([0] + [len(block.frames) for block in blocks]).cumsum(0).tolist()[: len(blocks)]
        return cls(generation, blocks, starts, segment_ids, video_ids, index, segments)

    def best_segments(self, scores: Float[Tensor, " V"], video: int, count: int) -> tuple[str, ...]:
        """Ids of a video's best segments; ties in the order of time."""
        columns = self.segments_of_video[video]
        if len(columns) == 1:
            return (self.segment_ids[columns[0]],)
        own = scores[columns].tolist()  # a few numbers: a list is sorted faster than a tensor
        order = sorted(range(len(own)), key=own.__getitem__, reverse=True)[:count]
        return tuple(self.segment_ids[columns[index]] for index in order)

    def frames_of(self, columns: Int[Tensor, " K"]) -> Float[Tensor, "K F D"]:
        """Copied frames of some segments, in the order asked for."""
        by_block: dict[int, list[int]] = {}
        for place, column in enumerate(columns.tolist()):
            by_block.setdefault(self._block_of(column), []).append(place)
        first = self.blocks[0].frames
        out = first.new_empty((len(columns), *first.shape[1:]))
        for number, places in by_block.items():
            out[places] = self.blocks[number].frames[columns[places] - self.starts[number]]
        return out

    def _block_of(self, column: int) -> int:
        return bisect_right(self.starts, column) - 1
