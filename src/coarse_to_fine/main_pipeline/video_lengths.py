"""How much video and how many sentences an experiment has: what the estimates of its plan are made from."""

from __future__ import annotations

from coarse_to_fine.main_pipeline.annotated_splits import read_split
from coarse_to_fine.main_pipeline.run_config import RunFile, WorldData

WORLD_SECONDS = 75.0
WORLD_QUERIES = 7.4
WORLD_WORDINGS = 3
"""Queries of a world video, and sentences of each in training: the query and its paraphrases."""

SPARE_SECONDS = 60.0
"""Length that is assumed of a video whose annotations state none."""


def seconds_by_split(config: RunFile) -> dict[str, float]:
    """Seconds of all videos of each split."""
    data = config.data
    if isinstance(data, WorldData):
        return {split: WORLD_SECONDS * count for split, count in _world(data).items()}
    found = {}
    for split in config.splits:
        part = read_split(data, split, config.seed)
        named = {query.video_id for query in part.queries}
        found[split] = sum(part.videos[name].duration_s if name in part.videos else SPARE_SECONDS for name in named)
    return found


def queries_by_split(config: RunFile) -> dict[str, float]:
    """Fine sentences of each split."""
    data = config.data
    if isinstance(data, WorldData):
        return {split: WORLD_QUERIES * count for split, count in _world(data).items()}
    return {split: float(len(read_split(data, split, config.seed).queries)) for split in config.splits}


def _world(data: WorldData) -> dict[str, int]:
    return {"train": data.train, "val": data.val, "test": data.test}
