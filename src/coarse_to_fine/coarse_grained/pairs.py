"""Sentences and segments of a split in memory, with the links between them: what coarse training and validation need.

Axes: N pairs, T distinct sentences, V segments, F coarse frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import TrainingExample


@dataclass(frozen=True, slots=True)
class CoarsePairs:
    """Every example as a pair of rows; a sentence or a segment that several examples share is kept once.

    Attributes:
        text: (T, D) sentence embeddings.
        frames: (V, F, D) coarse frames of the segments.
        text_of_pair, segment_of_pair: (N,) rows of `text` and `frames`.
        video_of_segment: (V,) number of the video of each segment.
        query_ids: N ids; a query that fits several segments has several pairs.
        sentences: T sentences.
        video_ids: id of each video number.
    """

    text: Float[Tensor, "T D"]
    frames: Float[Tensor, "V F D"]
    text_of_pair: Int[Tensor, " N"]
    segment_of_pair: Int[Tensor, " N"]
    video_of_segment: Int[Tensor, " V"]
    query_ids: list[str]
    sentences: list[str]
    video_ids: list[str]

    def __len__(self) -> int:
        return len(self.query_ids)

    @property
    def video_of_pair(self) -> Int[Tensor, " N"]:
        return self.video_of_segment[self.segment_of_pair]

    def queries(self) -> Int[Tensor, " Q"]:
        """The first pair of every query: queries that fit several segments are asked once."""
        first: dict[str, int] = {}
        for pair, query_id in enumerate(self.query_ids):
            first.setdefault(query_id, pair)
        return torch.tensor(list(first.values()), dtype=torch.int64)


def coarse_pairs(examples: Sequence[TrainingExample]) -> CoarsePairs:
    """Read all examples once.

    Raises:
        DataError: no examples, or features that are not finite.
    """
    sentences: dict[str, int] = {}
    segments: dict[str, int] = {}
    videos: dict[str, int] = {}
    text, frames, owners, links = [], [], [], []
    query_ids = []
    for example in examples:
        sentence, segment = example.text.text, example.segment
        if sentence not in sentences:
            sentences[sentence] = len(sentences)
            text.append(example.text.embedding)
        if segment.segment_id not in segments:
            segments[segment.segment_id] = len(segments)
            frames.append(segment.frames)
            owners.append(videos.setdefault(segment.video_id, len(videos)))
        links.append((sentences[sentence], segments[segment.segment_id]))
        query_ids.append(example.query_id)
    if not links:
        raise DataError("no examples, expected at least one; check the split and the features folder")
    _require_finite(text, list(sentences))
    _require_finite(frames, list(segments))
    rows = torch.tensor(links, dtype=torch.int64)
    return CoarsePairs(
        text=torch.stack(text).float(),
        frames=torch.stack(frames).float(),
        text_of_pair=rows[:, 0],
        segment_of_pair=rows[:, 1],
        video_of_segment=torch.tensor(owners, dtype=torch.int64),
        query_ids=query_ids,
        sentences=list(sentences),
        video_ids=list(videos),
    )


def _require_finite(rows: Sequence[Tensor], names: Sequence[str]) -> None:
    for name, row in zip(names, rows):
        if not bool(torch.isfinite(row).all()):
            raise DataError(
                f"the features of {name!r} hold values that are not finite; expected finite ones; extract them again"
            )
