"""Videos in which two of twelve frames show what the sentence says, beside loud frames that say nothing."""

from __future__ import annotations

import torch

from coarse_to_fine.features.examples import TrainingExample
from coarse_to_fine.types import SegmentFeatures, TextFeatures

WIDTH, FRAMES, TOPICS = 32, 12, 60


def examples(
    count: int, seed: int, name: str = "video", videos: int | None = None, segments: int = 1
) -> list[TrainingExample]:
    """`count` sentences about `videos` videos (default: one each) of `segments` segments each.

    Sentences lie in other directions than pictures of the same thing, so the head has something to learn.
    """
    fixed = torch.Generator().manual_seed(77)
    topics = torch.nn.functional.normalize(torch.randn(TOPICS, WIDTH, generator=fixed), dim=-1)
    loud = torch.nn.functional.normalize(torch.randn(5, WIDTH, generator=fixed), dim=-1)
    gap = torch.randn(WIDTH, WIDTH, generator=fixed) / WIDTH**0.5
    generator = torch.Generator().manual_seed(seed)
    videos = videos or count
    shown = torch.randint(TOPICS, (videos, 2), generator=generator)
    frames = loud[torch.randint(5, (videos, FRAMES), generator=generator)]
    frames = frames + 0.1 * torch.randn(videos, FRAMES, WIDTH, generator=generator)
    places = torch.rand(videos, FRAMES, generator=generator).argsort(dim=1)[:, :2]
    frames[torch.arange(videos)[:, None], places] = topics[shown] + 0.1 * torch.randn(
        videos, 2, WIDTH, generator=generator
    )
    made = []
    for index in range(count):
        video = index % videos
        meaning = topics[shown[video]].sum(dim=0)
        embedding = meaning + 0.7 * gap @ meaning + 0.1 * torch.randn(WIDTH, generator=generator)
        text = TextFeatures(f"{name} {seed} sentence {index}", embedding, torch.zeros(1, WIDTH))
        owner, number = f"{name}{video}", index // videos % segments
        segment = SegmentFeatures(f"{owner}#{number}", owner, 0.0, 24.0, 2.0, frames[video], torch.zeros(FRAMES, WIDTH))
        made.append(TrainingExample(f"{name}-{index}", owner, text, segment, torch.zeros(0, 2), 24.0))
    return made
