"""How much video and how many sentences an experiment has: what the estimates of its plan are made from."""

from __future__ import annotations

from collections import Counter

from coarse_to_fine.evaluation.protocols import QUERY_KINDS
from coarse_to_fine.main_pipeline.annotated_splits import read_split
from coarse_to_fine.main_pipeline.run_config import QueryKind, RunFile, VideoData, WorldData

WORLD_SECONDS = 75.0
WORLD_QUERIES = 7.4
WORLD_WORDINGS = 3
"""Queries of a world video, and sentences of each in training: the query and its paraphrases."""

WORLD_CAPTIONS = 2
"""Captions of a world video."""

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


def captions_by_split(config: RunFile) -> dict[str, float]:
    """Captions of whole videos of each split."""
    return {split: float(sum(counts.values())) for split, counts in _captions(config).items()}


def asked_queries(config: RunFile, kind: QueryKind) -> float:
    """Queries of the reported split: sentences, captions, or every pair of both that describes one video."""
    split = config.tested
    protocol = QUERY_KINDS[kind]
    if protocol == "P1":
        return queries_by_split(config)[split]
    if protocol == "P2":
        return captions_by_split(config)[split]
    if isinstance(config.data, WorldData):
        return queries_by_split(config)[split] * WORLD_CAPTIONS
    captions = _captions(config)[split]
    return float(sum(captions[query.video_id] for query in read_split(config.data, split, config.seed).queries))


def _captions(config: RunFile) -> dict[str, Counter[str]]:
    """Captions that each video of a split has, or will have."""
    data = config.data
    if isinstance(data, WorldData):
        return {split: Counter({split: WORLD_CAPTIONS * count}) for split, count in _world(data).items()}
    videos = {split: {one.video_id for one in read_split(data, split, config.seed).queries} for split in config.splits}
    if config.captions is None or not isinstance(data, VideoData):
        return {split: Counter() for split in videos}
    if config.captions.file is None:
        return {split: Counter(dict.fromkeys(named, config.captions.variants)) for split, named in videos.items()}
    from coarse_to_fine.data_generation.tacos_cg.check import read_captions

    given = Counter(caption.video_id for caption in read_captions([data.path(config.captions.file)]))
    return {split: Counter({video: given[video] for video in named}) for split, named in videos.items()}


def _world(data: WorldData) -> dict[str, int]:
    return {"train": data.train, "val": data.val, "test": data.test}
