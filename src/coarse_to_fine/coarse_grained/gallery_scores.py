"""Scores of all texts with a gallery that is read block by block, so that it never lies in memory at once.

Axes: T texts, V segments of a gallery or of a block, N their videos, K some segments, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.ranking import Top, best_per_video
from coarse_to_fine.coarse_grained.rescoring import FramesOf, score_again
from coarse_to_fine.evaluation.score_stream import ScoreBlock, Stream, top_of_stream

TILE = 64
"""Segments that a model is given at once, always: how it rounds depends on their number."""
SEGMENTS_AT_ONCE = 512
SCORES_AT_ONCE = 2**24
"""Largest T * V of one block."""
SCORES_HELD = 2**25
"""T * V held from one reading of a gallery to the next; what goes beyond it is computed again."""


def video_scores(
    model: CoarseModel,
    text: Float[Tensor, "T D"],
    segments: Sequence[int],
    frames_of: FramesOf,
    seed: int = 0,
    segments_at_once: int = SEGMENTS_AT_ONCE,
) -> Stream:
    """A stream of the scores of texts with videos, in the order that a search gives; however the gallery is cut, the
    scores are the same.

    Args:
        model: any coarse model; its `ranker` scores all segments, and it scores the best of them again.
        text: sentence embeddings.
        segments: how many each video has, at least one; a video counts by the best of them.
        frames_of: reads the coarse frames of some segments.
        seed: of the model's noise.
        segments_at_once: read at once; at least one video, and fewer for many texts.
    """
    scores = _SegmentScores(model.ranker, text, segments, frames_of, seed, segments_at_once)
    again = None
    if model.rescored:
        best, columns = top_of_stream(
            lambda: (ScoreBlock(p.start, s.numpy()) for _, p, s in scores), model.rescored + 1
        )
        top = Top(torch.from_numpy(columns), torch.from_numpy(best).float())
        again = score_again(model, text, top, frames_of, seed)

    def blocks() -> Iterator[ScoreBlock]:
        for videos, part, block in scores:
            block = block if again is None else again.put_into(block, part.start)
            yield ScoreBlock(videos.start, _best_segments(block, segments[videos]).numpy())

    return blocks


def _best_segments(scores: Float[Tensor, "T V"], segments: Sequence[int]) -> Float[Tensor, "T N"]:
    if scores.shape[1] == len(segments):
        return scores
    owner = torch.arange(len(segments)).repeat_interleave(torch.tensor(segments))
    return best_per_video(scores, owner, len(segments))


class _SegmentScores:
    """Scores of texts with all segments, in blocks of whole videos; the same numbers each time they are asked for."""

    def __init__(
        self,
        ranker: CoarseModel,
        text: Float[Tensor, "T D"],
        segments: Sequence[int],
        frames_of: FramesOf,
        seed: int,
        segments_at_once: int,
    ) -> None:
        self._ranker, self._text, self._frames_of, self._seed = ranker, text, frames_of, seed
        at_once = min(segments_at_once, SCORES_AT_ONCE // max(1, len(text)))
        self._parts = list(_whole_videos(segments, at_once))
        self._held: dict[int, Tensor] = {}

    def __iter__(self) -> Iterator[tuple[slice, slice, Float[Tensor, "T V"]]]:
        """Numbers of the videos and of the segments of each block, and its scores."""
        room = SCORES_HELD - sum(block.numel() for block in self._held.values())
        for videos, part in self._parts:
            block = self._held.get(part.start)
            if block is None:
                frames = self._frames_of(torch.arange(part.start, part.stop))
                block = tiled_scores(self._ranker, self._text, frames, self._seed)
                if block.numel() <= room:
                    self._held[part.start] = block
                    room -= block.numel()
            yield videos, part, block


def tiled_scores(
    model: CoarseModel, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0
) -> Float[Tensor, "T V"]:
    """Scores of segments that are given to the model `TILE` at a time, the last one repeated to fill the last tile.

    The score of a pair is then the same number whatever else is in the block, which its contract promises to 1e-5 only.
    """
    caches = (model.video_cache(_filled(tile)) for tile in torch.split(frames, TILE))
    return model.score_blocks(text, caches, seed)[:, : len(frames)].cpu()


def _filled(tile: Float[Tensor, "V F D"]) -> Float[Tensor, "V F D"]:
    if len(tile) == TILE:
        return tile
    return torch.cat([tile, tile[-1:].expand(TILE - len(tile), -1, -1)])


def _whole_videos(segments: Sequence[int], at_once: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of videos in order, with their segments: as many videos as `at_once` segments hold, or one."""
    first_video = first = stop = 0
    for video, count in enumerate(segments):
        if stop > first and stop + count - first > at_once:
            yield slice(first_video, video), slice(first, stop)
            first_video, first = video, stop
        stop += count
    if stop > first:
        yield slice(first_video, len(segments)), slice(first, stop)
