"""A training set from an annotation file and the published features of its videos and queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from coarse_to_fine.datasets.formats import load_annotations
from coarse_to_fine.datasets.records import MomentQuery
from coarse_to_fine.datasets.repair import Annotations
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.extract import Progress
from coarse_to_fine.features.published.config import PublishedFeatures, Texts, WordTexts
from coarse_to_fine.features.published.importing import (
    SHOWN,
    ImportReport,
    Missing,
    import_texts,
    import_videos,
)
from coarse_to_fine.features.published.joining import join_queries, unmatched
from coarse_to_fine.features.published.texts import named_queries
from coarse_to_fine.features.published.words import import_words
from coarse_to_fine.features.set_annotations import named_videos, without_queries, without_videos, write_set
from coarse_to_fine.wording import counted, first_of


@dataclass(frozen=True, slots=True)
class ImportedSet:
    """The reports of both parts, and how many queries the set has."""

    videos: ImportReport
    texts: ImportReport | None
    queries: int


def import_set(
    found: Annotations,
    config: PublishedFeatures,
    out: str | Path,
    *,
    missing: Missing = "refuse",
    dtype: torch.dtype = torch.float16,
    progress: Progress | None = None,
) -> ImportedSet:
    """Write `annotations/`, `videos/` and `texts/`; a stopped import goes on.

    Args:
        found: the annotations; every video has a duration.
        config: the published features.
        out: the folder.
        missing: what to do with videos, or queries, that the features lack.
        dtype: of the stored clip rows.
        progress: progress(done, total, video id).

    Raises:
        DataError: features are missing, fail their checks, or cannot be joined with the queries.
    """
    out = Path(out)
    wanted = named_videos(found.queries)
    unknown = [video_id for video_id in wanted if video_id not in found.videos]
    if unknown:
        raise DataError(
            f"{found.report.file}: {counted(len(unknown), 'video has', 'videos have')} no duration "
            f"({first_of(unknown, SHOWN)}); expected one for each; give the table of durations"
        )
    infos = [found.videos[video_id] for video_id in wanted]
    videos = import_videos(config, infos, out / "videos", missing=missing, dtype=dtype, progress=progress)
    found = without_videos(found, {*videos.absent, *(name for name, _ in videos.failed)})
    texts = None
    if config.texts is not None:
        if isinstance(config.texts, WordTexts):
            texts = import_words(config.texts, found.queries, out / "texts", missing=missing)
            lost = set(texts.absent)
        else:
            texts, lost = _import_texts(config.texts, found, out / "texts", missing)
        found = without_queries(found, lost)
    write_set(found, out / "annotations", {}, features=config.model_dump(mode="json"))
    return ImportedSet(videos, texts, len(found.queries))


def _import_texts(config: Texts, found: Annotations, folder: Path, missing: Missing) -> tuple[ImportReport, set[str]]:
    """The report, and the ids of the queries that are left out."""
    ids = None
    lost: list[str] = []
    if config.ids_from is not None:
        ids = join_queries(found.queries, load_annotations(config.ids_from).queries)
        lost = unmatched(found.queries, ids)
        _refuse_unmatched(lost, found.queries, config.ids_from, missing)
    named = named_queries(config, found.queries, ids)
    report = import_texts(config, named, folder, missing=missing)
    return report, {*lost, *report.absent}


def _refuse_unmatched(lost: Sequence[str], queries: Sequence[MomentQuery], ids_from: str, missing: Missing) -> None:
    if lost and (missing == "refuse" or len(lost) == len(queries)):
        raise DataError(
            f"{ids_from} lacks {len(lost)} of {counted(len(queries), 'query', 'queries')} ({first_of(lost, SHOWN)}); "
            "expected each by video, text and window; name the annotations of this split, or leave them out with "
            "--missing-video drop"
        )
