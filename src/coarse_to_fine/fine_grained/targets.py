"""Targets of a batch: the windows of each sample, the relevance of its clips, pairs of clips to compare.

Axes: B batch, L clips, G windows, P clip pairs of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.fine_grained.labels import (
    WindowRule,
    annotated_labels,
    annotated_pairs,
    choose_windows,
    label_pairs,
    span_targets,
    window_labels,
)


@dataclass(frozen=True)
class WindowTargets:
    """What a batch should give.

    Attributes:
        spans: for each sample its true windows, (G, 2) centre and width in [0, 1].
        labels: (B, L) relevance of each clip, 0..12.
        positive, negative: (B, P) clips inside and outside that are compared.
    """

    spans: list[Tensor]
    labels: Tensor
    positive: Tensor
    negative: Tensor


def window_targets(
    examples: Sequence[TrainingExample],
    clips: Sequence[int],
    rule: WindowRule | Literal["annotated"],
    span_length: Literal["duration", "clips"],
    generator: torch.Generator,
) -> WindowTargets:
    """Targets of examples of which a model reads so many clips each; labels are padded to the longest.

    Args:
        examples: the batch.
        clips: number of clips of each as the model reads them.
        rule: which clips are relevant; `annotated`: those of the annotators.
        span_length: what spans are fractions of; clips = clips * clip length.
        generator: chooses among more than five windows, and pairs of clips.

    Raises:
        DataError: annotated clips are asked for and a query has none.
    """
    spans, labels, positive, negative = [], [], [], []
    for example, count in zip(examples, clips, strict=True):
        segment = example.segment
        length_s = len(segment.clips) * segment.clip_seconds if span_length == "clips" else segment.duration_s
        spans.append(span_targets(choose_windows(example.windows_s, generator), length_s))
        relevance, inside, outside = _clips(example, count, rule, generator)
        labels.append(functional.pad(relevance, (0, max(clips) - count)))
        positive.append(inside)
        negative.append(outside)
    return WindowTargets(spans, torch.stack(labels), torch.stack(positive), torch.stack(negative))


def _clips(
    example: TrainingExample, clips: int, rule: WindowRule | Literal["annotated"], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """(L,) labels and (P,) clips inside and outside; windows stand for annotated clips that the features lack."""
    segment, annotated = example.segment, example.saliency
    if rule == "annotated":
        if annotated is None or clips != len(segment.clips):
            raise DataError(
                f"query {example.query_id} has no annotated scores of its {clips} clips, expected some where the "
                "targets are annotated; set recipe.targets to middle for data with windows only, and read every clip"
            )
        labels = annotated_labels(clips, annotated.clip_ids, annotated.scores)
        if bool((labels > 0).any()):
            return labels, *annotated_pairs(clips, annotated.clip_ids, annotated.scores, generator)
        rule = "middle"
    labels = window_labels(example.windows_s, clips, segment.clip_seconds * (len(segment.clips) / clips), rule)
    return labels, *label_pairs(labels, generator)
