"""Batches of MESM: sentences of one video side by side, relevant clips, foreign sentences, words to hide.

Axes: B batch, L clips, T words, P clip pairs of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeVar

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.examples import refuse_not_finite, refuse_untrainable, video_ids
from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.features import clip_rows
from coarse_to_fine.fine_grained.mesm.loss import MesmTargets
from coarse_to_fine.fine_grained.mesm.masked_words import WordTargets, choose_masked
from coarse_to_fine.fine_grained.mesm.text import word_rows
from coarse_to_fine.fine_grained.mesm.vocabulary import Vocabulary
from coarse_to_fine.fine_grained.targets import window_targets
from coarse_to_fine.fine_grained.window_losses import matched_pairs
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.training.task import Batch, TrainingData

Item = TypeVar("Item")


class MesmTargetsConfig(FrozenConfig):
    """How batches and targets are made; none of it changes what a trained model computes."""

    relevant: Literal["middle", "inclusive", "annotated"] = Field(
        default="middle",
        description="which clips are relevant: those whose middle is in a window, all that a window touches (the "
        "release), or those of the annotators",
    )
    span_length: Literal["duration", "clips"] = Field(
        default="duration", description="what spans are fractions of; clips = clips * clip length, QVHighlights"
    )
    batch_by: Literal["sentences", "videos"] = Field(
        default="sentences", description="what batch_size counts; the release counts videos, with all their sentences"
    )
    max_sentences: int = Field(default=10, ge=1, description="sentences of one video in a batch at most")


@dataclass(frozen=True, slots=True)
class MesmBatch:
    """Padded inputs and targets.

    Attributes:
        video, video_mask: (B, L, C) and (B, L).
        text, text_mask: (B, T, W) and (B, T).
        targets: what the windows and the saliency should be.
        words: what the words are and which are hidden; None if no words are guessed.
        foreign: (B,) the row whose sentence (and summary) is the negative of each.
        has_foreign: (B,) False where the batch has no other video.
    """

    video: Tensor
    video_mask: Tensor
    text: Tensor
    text_mask: Tensor
    targets: MesmTargets
    words: WordTargets | None
    foreign: Tensor
    has_foreign: Tensor


class MesmData(TrainingData):
    """Examples as padded batches; everything random (clip pairs, foreign rows, hidden words) is the generator's."""

    def __init__(
        self,
        examples: Sequence[TrainingExample],
        architecture: MesmConfig,
        targets: MesmTargetsConfig,
        vocabulary: Vocabulary | None,
    ) -> None:
        refuse_untrainable(examples)
        self.examples, self.architecture, self.targets = examples, architecture, targets
        self.vocabulary = vocabulary

    def __len__(self) -> int:
        return len(self.examples)

    def order(self, batch_size: int, generator: torch.Generator) -> list[list[int]]:
        """Videos in random order with their sentences beside each other; many sentences of a video make chunks."""
        chunks: list[list[int]] = []
        for members in self._by_video():
            shuffled = [members[place] for place in torch.randperm(len(members), generator=generator).tolist()]
            chunks += cut(shuffled, self.targets.max_sentences)
        chunks = [chunks[place] for place in torch.randperm(len(chunks), generator=generator).tolist()]
        if self.targets.batch_by == "videos":
            return [[*chain.from_iterable(some)] for some in cut(chunks, batch_size)]
        return cut([*chain.from_iterable(chunks)], batch_size)

    def batch(self, indices: Sequence[int], generator: torch.Generator) -> Batch:
        examples = [self.examples[index] for index in indices]
        for example in examples:
            refuse_not_finite(example)
        video, video_mask = pad_rows([clip_rows(example.segment.clips, self.architecture) for example in examples])
        text, text_mask = pad_rows([word_rows(example.text.tokens, self.architecture) for example in examples])
        targets = self._targets(examples, video_mask.sum(1).tolist(), generator)
        videos, texts = [example.video_id for example in examples], [example.text.text for example in examples]
        foreign, has_foreign = foreign_rows(videos, texts, generator)
        words = self._words(examples, text_mask, generator)
        pairs = matched_pairs(targets.spans, self.architecture.queries)
        data = MesmBatch(video, video_mask, text, text_mask, targets, words, foreign, has_foreign)
        return Batch(data, [example.query_id for example in examples], {"pairs": float(pairs)})

    def _by_video(self) -> list[list[int]]:
        found: dict[str, list[int]] = {}
        for index, video_id in enumerate(video_ids(self.examples)):
            found.setdefault(video_id, []).append(index)
        return list(found.values())

    def _targets(
        self, examples: Sequence[TrainingExample], clips: Sequence[int], generator: torch.Generator
    ) -> MesmTargets:
        made = window_targets(examples, clips, self.targets.relevant, self.targets.span_length, generator)
        group = numbered([example.segment.segment_id for example in examples])
        return MesmTargets(made.spans, made.labels, made.positive, made.negative, made.labels > 0, group)

    def _words(
        self, examples: Sequence[TrainingExample], text_mask: Tensor, generator: torch.Generator
    ) -> WordTargets | None:
        if self.vocabulary is None:
            return None
        limit = self.architecture.max_words
        rows = [self.vocabulary.look_up(example.text.text, len(example.text.tokens), limit) for example in examples]
        classes, unknown, weights = (
            torch.nn.utils.rnn.pad_sequence(list(part), batch_first=True) for part in zip(*rows, strict=True)
        )
        return WordTargets(classes, unknown, choose_masked(weights, text_mask, generator))


def foreign_rows(
    videos: Sequence[str], texts: Sequence[str], generator: torch.Generator
) -> tuple[Int[Tensor, " B"], Bool[Tensor, " B"]]:
    """For each row a random row of another video with another sentence, and whether there is one (else the row)."""
    video, text = numbered(videos), numbered(texts)
    chosen, found = torch.arange(len(videos)), torch.zeros(len(videos), dtype=torch.bool)
    for row in range(len(videos)):
        others = torch.nonzero((video != video[row]) & (text != text[row]))[:, 0]
        if len(others):
            chosen[row] = others[torch.randint(len(others), (1,), generator=generator)]
            found[row] = True
    return chosen, found


def numbered(names: Sequence[str]) -> Int[Tensor, " B"]:
    """Equal names as equal numbers, from 0 in the order of first appearance."""
    number: dict[str, int] = {}
    return torch.tensor([number.setdefault(name, len(number)) for name in names])


def cut(items: list[Item], size: int) -> list[list[Item]]:
    """Consecutive pieces of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]
