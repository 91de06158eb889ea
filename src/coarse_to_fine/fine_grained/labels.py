"""Training targets of a sample: spans, the relevance of each clip, and pairs of clips to compare.

Axes: L clips, G windows, P pairs. Everything random takes a generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.spans import start_end_to_center_width

WindowRule: TypeAlias = Literal["middle", "lighthouse", "inclusive"]
"""Which clips a window makes relevant."""

PAIRS = 2
MAX_WINDOWS = 5


def span_targets(windows_s: Float[Tensor, "G 2"], length_s: float) -> Float[Tensor, "G 2"]:
    """Windows in seconds as (centre, width) fractions of `length_s`.

    The releases divide by clips * clip length in training and by the duration in evaluation; give the duration for
    both to have them agree.
    """
    return start_end_to_center_width(windows_s / length_s)


def choose_windows(windows: Float[Tensor, "G 2"], generator: torch.Generator) -> Tensor:
    """At most MAX_WINDOWS windows at random, in their order."""
    if len(windows) <= MAX_WINDOWS:
        return windows
    return windows[torch.randperm(len(windows), generator=generator)[:MAX_WINDOWS].sort().values]


def annotated_labels(clips: int, relevant: Sequence[int], scores: Sequence[Sequence[float]]) -> Float[Tensor, " L"]:
    """Sum of the annotators' scores at the relevant clips, 0 elsewhere (QVHighlights: 0..12).

    A relevant clip beyond the features is left out; the release makes the label longer than the video there.
    """
    labels = torch.zeros(clips)
    for clip, votes in zip(relevant, scores, strict=True):
        if clip < clips:
            labels[clip] = float(sum(votes))
    return labels


def annotated_pairs(
    clips: int, relevant: Sequence[int], scores: Sequence[Sequence[float]], generator: torch.Generator
) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
    """(best, worst) relevant clip by summed score, and (random relevant, random irrelevant) clip.

    Ties: the last best and the first worst in the order of the annotation. Without an irrelevant clip the first pair
    comes twice. Clips beyond the features count as the last one.
    """
    totals = torch.tensor([float(sum(votes)) for votes in scores])
    order = torch.argsort(totals, stable=True).tolist()
    best, worst = (min(relevant[order[place]], clips - 1) for place in (-1, 0))
    listed = set(relevant)
    others = [clip for clip in range(clips) if clip not in listed]
    if not others:
        return torch.tensor([best] * PAIRS), torch.tensor([worst] * PAIRS)
    easy_positive = min(relevant[_draw(len(relevant), generator)], clips - 1)
    return torch.tensor([best, easy_positive]), torch.tensor([worst, others[_draw(len(others), generator)]])


def window_labels(
    windows_s: Float[Tensor, "G 2"],
    clips: int,
    clip_seconds: float,
    rule: WindowRule = "middle",
) -> Float[Tensor, " L"]:
    """1 at the clips of every window, 0 elsewhere, for data without annotated clips.

    Args:
        windows_s: true windows, seconds from the start of the features.
        clips: L.
        clip_seconds: length of a clip.
        rule: `middle`: clips whose middle lies in the window, or the one that holds the window's middle;
            `lighthouse`: int(start / clip) to min(int(end / clip), L) - 1, of the first window only; `inclusive`:
            int(start / clip) to int(end / clip), cut to the last clip (MESM's `clip_mask` of Charades-STA).
    """
    labels = torch.zeros(clips)
    if rule == "lighthouse":
        for start_s, end_s in windows_s[:1].tolist():
            last = max(0, min(int(end_s / clip_seconds), clips) - 1)
            labels[min(int(start_s / clip_seconds), last) : last + 1] = 1
        return labels
    if rule == "inclusive":
        for start_s, end_s in windows_s.tolist():
            first, last = (min(int(time_s / clip_seconds), clips - 1) for time_s in (start_s, end_s))
            labels[first : last + 1] = 1
        return labels
    middle_s = (torch.arange(clips) + 0.5) * clip_seconds
    for start_s, end_s in windows_s.tolist():
        labels[(middle_s >= start_s) & (middle_s < end_s)] = 1
        labels[min(max(0, int((start_s + end_s) / 2 / clip_seconds)), clips - 1)] = 1
    return labels


def label_pairs(labels: Float[Tensor, " L"], generator: torch.Generator) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
    """Random clips inside and random clips outside, each drawn without replacement.

    One clip inside comes twice. With fewer than two clips outside the positives stand for them: the pair then has
    difference 0 and no gradient (a moment may fill the video).
    """
    inside, outside = torch.nonzero(labels > 0)[:, 0], torch.nonzero(labels == 0)[:, 0]
    if not len(inside):
        inside = torch.arange(len(labels))
    positive = inside[torch.randperm(len(inside), generator=generator)[:PAIRS]]
    positive = positive.expand(PAIRS) if len(positive) == 1 else positive
    if len(outside) < PAIRS:
        return positive, positive.clone()
    return positive, outside[torch.randperm(len(outside), generator=generator)[:PAIRS]]


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (1,), generator=generator))
