"""The splits of annotated data, with a validation split held out of training where none is given.

A file is read once while it stays the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.leaks import refuse_shared_videos, source_video
from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.datasets.repair import Annotations
from coarse_to_fine.errors import DataError
from coarse_to_fine.main_pipeline.run_config import PublishedData, SplitFile, VideoData

AnnotatedData = VideoData | PublishedData


def split_file(data: AnnotatedData, split: str) -> SplitFile:
    """The file that a split is read from; a held-out one is read from that of the training split."""
    given = {"train": data.train, "val": data.val or data.train, "test": data.test}[split]
    assert given is not None, "a run names only splits that its configuration has"
    return given


def annotation_files(data: AnnotatedData, splits: tuple[str, ...]) -> list[Path]:
    """The annotation files of splits, and those whose ids name published text features."""
    files = [split_file(data, split) for split in splits]
    names = [name for file in files for name in (file.annotations, file.text_ids) if name is not None]
    return [data.path(name) for name in dict.fromkeys(names)]


def read_split(data: AnnotatedData, split: str, seed: int) -> Annotations:
    """One split.

    Args:
        data: where it is read from.
        split: `train`, `val` or `test`.
        seed: of the choice of held-out videos.

    Raises:
        DataError: the file cannot be read, or too few videos are there to hold some out.
    """
    path = data.path(split_file(data, split).annotations)
    if data.val is not None or split == "test":
        return _read(path, split)
    found = _read(path, "train")
    chosen = held_out_videos({query.video_id for query in found.queries}, data.holdout, seed)
    if not chosen:
        raise DataError(f"{path} has too few videos to hold {data.holdout:g} of them out; give data.val a file")
    kept = tuple(query for query in found.queries if (query.video_id in chosen) == (split == "val"))
    return _part(found, kept, split)


def read_splits(data: AnnotatedData, splits: tuple[str, ...], seed: int) -> dict[str, Annotations]:
    """All splits by name.

    Raises:
        DataError: a file cannot be read, or two splits share videos or their sources.
    """
    found = {split: read_split(data, split, seed) for split in splits}
    refuse_shared_videos({split: [query.video_id for query in part.queries] for split, part in found.items()})
    return found


def held_out_videos(video_ids: set[str], fraction: float, seed: int) -> set[str]:
    """The videos of a fraction of source videos; which comes first depends on their ids and the seed alone."""
    sources = {source_video(name) for name in video_ids}
    ordered = sorted(sources, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
    chosen = set(ordered[: round(fraction * len(ordered))])
    return {name for name in video_ids if source_video(name) in chosen}


def _read(path: Path, split: str) -> Annotations:
    """One file; every step of a run asks for it."""
    if not path.is_file():
        return load_annotations(path, split=split)  # which says what is wrong
    status = path.stat()
    return _read_state(path, split, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _read_state(path: Path, split: str, size: int, mtime_ns: int) -> Annotations:
    return load_annotations(path, split=split)


def _part(found: Annotations, queries: tuple[MomentQuery, ...], split: str) -> Annotations:
    """Some of the queries of a file as a split of their own; what the file was repaired of stays in its report."""
    named = {query.video_id for query in queries}
    report = replace(
        found.report,
        split=split,
        rows_kept=len(queries),
        videos=len(named),
        windows=sum(len(query.windows_s) for query in queries),
        counts=dict(found.report.counts),
        examples={code: list(examples) for code, examples in found.report.examples.items()},
    )
    videos = {name: info for name, info in found.videos.items() if name in named}
    return replace(found, videos=videos, queries=tuple(replace(query, split=split) for query in queries), report=report)
