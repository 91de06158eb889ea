"""Published features into our feature folders, so that training and evaluation read one format only."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from coarse_to_fine.datasets.records import VideoInfo
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.extract import TEXT_KIND, VIDEO_KIND, Progress
from coarse_to_fine.features.published.config import PublishedFeatures, Texts
from coarse_to_fine.features.published.texts import NamedQuery, PublishedTexts, refuse_other_values
from coarse_to_fine.features.published.videos import PublishedVideos, VideoRows
from coarse_to_fine.features.store import Manifest
from coarse_to_fine.features.writer import FeatureWriter
from coarse_to_fine.types import TextFeatures
from coarse_to_fine.wording import counted, first_of

Missing = Literal["refuse", "drop"]
SHOWN = 5


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the items.

    Attributes:
        made: imported now.
        there: imported before.
        failed: (id, reason) of those that failed a check.
        absent: ids that were left out because the features lack them.
        notes: how many videos have rows that were accepted although they do not fit exactly, by what was found.
    """

    made: int
    there: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()
    notes: tuple[tuple[str, int], ...] = ()


def import_videos(
    config: PublishedFeatures,
    videos: Sequence[VideoInfo] | None,
    folder: str | Path,
    *,
    missing: Missing = "refuse",
    dtype: torch.dtype = torch.float16,
    progress: Progress | None = None,
) -> ImportReport:
    """Clip features of videos, each as one segment; a stopped import goes on, and what has changed is made again.

    A segment of an import has no coarse frames: the tensor `frames` has no row, and only the fine stage learns from it.

    Args:
        config: the streams.
        videos: with their durations; None takes every video of the first stream, its length from the number of rows.
        folder: gets the shards.
        missing: what to do with videos that some stream lacks.
        dtype: of the stored rows.
        progress: progress(done, total, video id).

    Raises:
        DataError: videos are missing, or every single one fails.
        FingerprintError: the folder holds features that were declared otherwise.
    """
    source = PublishedVideos(config)
    known = {video.video_id: video.duration_s for video in videos} if videos is not None else {}
    wanted = list(known) if videos is not None else source.video_ids()
    absent = source.absent(wanted)
    refuse_missing(absent, len(wanted), missing, "video")
    present = [video_id for video_id in wanted if video_id not in set(absent)]
    _declare_widths(source, present, known)
    failed, notes, there = [], Counter[str](), 0
    with FeatureWriter(folder, video_manifest(config, source.widths), dtype=dtype) as writer:
        for done, video_id in enumerate(present, start=1):
            made_of = f"{source.source(video_id, known.get(video_id))}; {dtype}"
            if writer.has(f"{video_id}#0", made_of):
                there += 1
                continue
            try:
                rows = source.read(video_id, known.get(video_id))
                _add_video(writer, video_id, rows, made_of)
                notes.update(rows.notes)
            except DataError as error:
                failed.append((video_id, str(error)))
                writer.fail(video_id, str(error))
            if progress is not None:
                progress(done, len(present), video_id)
        _refuse_if_all(failed, len(present))
    made = len(present) - there - len(failed)
    return ImportReport(made, there, tuple(failed), tuple(absent), tuple(sorted(notes.items())))


def import_texts(
    config: Texts, queries: Sequence[NamedQuery], folder: str | Path, *, missing: Missing = "refuse"
) -> ImportReport:
    """Text features of queries, one float32 item a distinct sentence; one that is there with the same values is kept.

    Raises:
        DataError: features of queries are missing, or one sentence has two different ones.
        FingerprintError: the folder holds features that were declared otherwise.
    """
    source = PublishedTexts(config)
    absent = source.absent(queries)
    refuse_missing(absent, len(queries), missing, "query", "queries")
    left_out = set(absent)
    first: dict[str, TextFeatures] = {}
    for named in queries:
        if named.query.query_id not in left_out:
            found = source.read(named)
            if found.text in first:
                refuse_other_values(first[found.text], found, named.query.query_id)
            first.setdefault(found.text, found)
    made = 0
    with FeatureWriter(folder, text_manifest(config, first), dtype=torch.float32) as writer:
        for text, found in first.items():
            made_of = _values_sha256(found)
            if not writer.has(text, made_of):
                tensors = {"embedding": found.embedding, "tokens": found.tokens}
                writer.add(text, tensors, truncated=False, source=made_of)
                made += 1
    return ImportReport(made, len(first) - made, absent=tuple(absent))


def video_manifest(config: PublishedFeatures, widths: dict[str, int]) -> Manifest:
    """What the user declares about the features; nothing of it was measured."""
    streams = [
        {"name": stream.name, "width": widths[stream.name], "normalise": stream.normalise} for stream in config.streams
    ]
    about = {
        "name": "+".join(stream.name for stream in config.streams),
        "streams": streams,
        "width": sum(widths[stream.name] for stream in config.streams),
        "normalised": all(stream.normalise != "raw" for stream in config.streams),
    }
    sampling = {"clip_seconds": config.step_s, "max_rows": config.max_rows, "pictures": "imported"}
    return Manifest(VIDEO_KIND, declared(about), sampling)


def text_manifest(config: Texts, texts: dict[str, TextFeatures]) -> Manifest:
    """As `video_manifest`, for text features."""
    widths = {(len(found.embedding), found.tokens.shape[1]) for found in texts.values()}
    if len(widths) != 1:
        raise DataError(f"text features have the widths {sorted(widths)}; expected one; correct key and sentence_key")
    embedding, tokens = widths.pop()
    sentence = config.sentence_key or "mean of the word states"
    about = {"name": config.name, "width": embedding, "token_width": tokens, "normalised": False, "sentence": sentence}
    return Manifest(TEXT_KIND, declared(about), {})


def declared(about: dict[str, Any]) -> dict[str, Any]:
    """The encoder's entry of a manifest, from what the user says about it."""
    canonical = json.dumps(about, sort_keys=True, separators=(",", ":"))
    return {**about, "fingerprint": hashlib.sha256(canonical.encode()).hexdigest(), "declared": True}


def _declare_widths(source: PublishedVideos, present: Sequence[str], known: dict[str, float]) -> None:
    """Take widths that are not declared from the first video that can be read."""
    reason = ""
    for video_id in present:
        try:
            source.read(video_id, known.get(video_id))
        except DataError as error:
            reason = reason or str(error)
        if len(source.widths) == len(source.config.streams):
            return
    raise DataError(
        f"no features can be read ({reason or 'there is no video'}); expected some; check streams and annotations"
    )


def _add_video(writer: FeatureWriter, video_id: str, found: VideoRows, made_of: str) -> None:
    writer.add(
        f"{video_id}#0",
        {"frames": found.rows[:0], "clips": found.rows},
        video_id=video_id,
        start_s=0.0,
        end_s=found.end_s,
        clip_seconds=found.step_s,
        source=made_of,
    )


def _values_sha256(found: TextFeatures) -> str:
    digest = hashlib.sha256()
    for tensor in (found.embedding, found.tokens):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def refuse_missing(absent: Sequence[str], total: int, missing: Missing, one: str, many: str | None = None) -> None:
    """Raise DataError for things (`one`, `many`) without features, unless they may be dropped and others are left."""
    if absent and (missing == "refuse" or len(absent) == total):
        raise DataError(
            f"no features of {len(absent)} of {counted(total, one, many)} ({first_of(absent, SHOWN)}); expected "
            "features of all; check the pattern of the names, or leave them out with --missing-video drop"
        )


def _refuse_if_all(failed: Sequence[tuple[str, str]], total: int) -> None:
    if failed and len(failed) == total:
        raise DataError(f"none of {counted(total, 'video')} can be imported; the first: {failed[0][1]}")
