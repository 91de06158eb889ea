"""Samples that can be learned: the clips of the window carry the direction of the sentence."""

from __future__ import annotations

import torch

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.types import SegmentFeatures, TextFeatures
from tests.fine_grained.conftest import TOKEN_DIM, VIDEO_DIM

WORDS = 6


def examples(count: int, seed: int, videos: int | None = None) -> list[TrainingExample]:
    """`count` examples over `videos` videos (default: one each); clip lengths vary."""
    generator = torch.Generator().manual_seed(seed)
    meaning = torch.randn(WORDS, VIDEO_DIM, generator=torch.Generator().manual_seed(99))
    spelling = torch.randn(WORDS, TOKEN_DIM, generator=torch.Generator().manual_seed(98))
    made = []
    for index in range(count):
        clips = int(torch.randint(10, 25, (1,), generator=generator))
        first = int(torch.randint(0, clips - 4, (1,), generator=generator))
        length = int(torch.randint(3, min(9, clips - first) + 1, (1,), generator=generator))
        word = int(torch.randint(WORDS, (1,), generator=generator))
        rows = 0.5 * torch.randn(clips, VIDEO_DIM, generator=generator)
        rows[first : first + length] += meaning[word]
        video = f"video{index % (videos or count)}"
        segment = SegmentFeatures(f"{video}#{index}", video, 0.0, 2.0 * clips, 2.0, rows[:12], rows)
        noise = 0.1 * torch.randn(3, TOKEN_DIM, generator=generator)
        text = TextFeatures(f"word {word}", meaning[word], spelling[word] + noise)
        windows = torch.tensor([[2.0 * first, 2.0 * (first + length)]])
        made.append(TrainingExample(f"{seed}-{index}", video, text, segment, windows, 2.0 * clips))
    return made
