"""Training examples before they are batched: their videos, sentences and widths, and what cannot be trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import ExampleSet, TrainingExample
from coarse_to_fine.wording import counted, first_of


def video_ids(examples: Sequence[TrainingExample]) -> list[str]:
    """The video of each example; features of a feature folder are not read for it."""
    if isinstance(examples, ExampleSet):
        return [query.video_id for query in examples.queries()]
    return [example.video_id for example in examples]


def sentences_of(examples: Sequence[TrainingExample]) -> list[str]:
    """The sentence of each example; features of a feature folder are not read for it."""
    if isinstance(examples, ExampleSet):
        return [query.text for query in examples.queries()]
    return [example.text.text for example in examples]


def widths_of(examples: Sequence[TrainingExample]) -> list[tuple[int, int]]:
    """Width of the clips and of the word states of each example; features of a feature folder are not read for it."""
    if isinstance(examples, ExampleSet):
        return examples.widths()
    return [(example.segment.clips.shape[1], example.text.tokens.shape[1]) for example in examples]


def refuse_untrainable(examples: Sequence[TrainingExample]) -> None:
    """Raise DataError if there is no example, or one has no window: nothing says then where its moment lies."""
    if not len(examples):
        raise DataError("no training examples, expected at least one; check the split and the features folder")
    empty = _without_windows(examples)
    if empty:
        raise DataError(
            f"{counted(len(empty), 'training query has', 'training queries have')} no window ({first_of(empty)}); "
            "expected windows_s of at least one each; leave them out, or give them as captions of whole videos in "
            "coarse.<split>.jsonl"
        )


def _without_windows(examples: Sequence[TrainingExample]) -> list[str]:
    if isinstance(examples, ExampleSet):
        empty = [query.query_id for query in examples.queries() if not query.windows_s]
    else:
        empty = [example.query_id for example in examples if not len(example.windows_s)]
    return list(dict.fromkeys(empty))


def refuse_not_finite(example: TrainingExample) -> None:
    """Raise DataError if the features or windows of an example hold inf or NaN; it names the query."""
    parts = {
        "clip features": example.segment.clips,
        "word states": example.text.tokens,
        "windows": example.windows_s,
    }
    for what, values in parts.items():
        if not torch.isfinite(values).all():
            raise DataError(
                f"the {what} of query {example.query_id!r} (segment {example.segment.segment_id!r}) hold inf or NaN, "
                "expected finite numbers; extract them again or leave the query out"
            )
