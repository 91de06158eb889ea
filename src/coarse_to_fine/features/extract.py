"""Features for training: videos (files or drawn) and sentences of an annotation set into feature folders.

A folder of video features has one item a segment, `<video_id>#<index>`, with the tensors `frames` (F, D) and `clips`
(L, D); a folder of text features one item a sentence with `embedding` (D,) and `tokens` (T, W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from coarse_to_fine.datasets.layout import AnnotationSet
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.outputs import encoded_sentences
from coarse_to_fine.errors import CtfError, DataError
from coarse_to_fine.features.drawn import DrawnVideo, drawing_tasks
from coarse_to_fine.features.files import FilePictures
from coarse_to_fine.features.pictures import Outcome, PictureSource, embed_videos
from coarse_to_fine.features.sampling import SAMPLING_RULES, Sampling
from coarse_to_fine.features.store import Manifest
from coarse_to_fine.features.writer import FeatureWriter, NewItem
from coarse_to_fine.file_hashes import file_state
from coarse_to_fine.wording import why

VIDEO_KIND = "video_segments"
TEXT_KIND = "text"
TEXTS_A_BATCH = 64

Progress = Callable[[int, int, str], None]
"""progress(done, total, what): called after each item."""


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """How many items were made, were there before, failed (id, reason), and which ids have no file at all."""

    made: int
    there: int
    failed: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()


def video_manifest(encoder: ImageTextEncoder, sampling: Sampling, pictures: str) -> Manifest:
    """What makes video features; `pictures` is `files` or `drawn` (which no decoder scales)."""
    settled = sampling.settled_for(encoder) if pictures == "files" else sampling
    values = settled.described() if pictures == "files" else settled.model_dump(exclude={"scaling"})
    rules = {**values, "rules": SAMPLING_RULES, "pictures": pictures}
    return Manifest(VIDEO_KIND, _about(encoder), rules)


def text_manifest(encoder: ImageTextEncoder) -> Manifest:
    """What makes text features."""
    return Manifest(TEXT_KIND, {**_about(encoder), "token_width": encoder.token_dim}, {})


def extract_files(
    annotations: AnnotationSet,
    encoder: ImageTextEncoder,
    folder: str | Path,
    *,
    sampling: Sampling | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> ExtractReport:
    """Video features of a split from the files that its `videos.jsonl` names; goes on where it was stopped.

    Raises:
        DataError: the set does not say where a video's file lies.
        FingerprintError: the folder holds features of another encoder or sampling.
    """
    sampling = sampling or Sampling()
    sources: dict[str, tuple[str, Callable[[], PictureSource]]] = {}
    failed = []
    for video_id in annotations.video_ids():
        path = annotations.videos[video_id].path
        if path is None:
            raise DataError(
                f"video {video_id!r} of {annotations.folder} has no path; expected `path` in videos.jsonl; add it"
            )
        try:
            source = file_state(path)
        except OSError as error:
            failed.append((video_id, f"{path}: {error.strerror}"))
            continue
        sources[video_id] = (source, partial(FilePictures, path, encoder, sampling))
    with FeatureWriter(folder, video_manifest(encoder, sampling, "files")) as writer:
        for video_id, reason in failed:
            writer.fail(video_id, reason)
        missing = {name: task for name, (source, task) in sources.items() if not writer.has(f"{name}#0", source)}
        names = list(missing)
        outcomes = embed_videos(list(missing.values()), encoder, workers)
        report = _write_all(writer, names, [sources[name][0] for name in names], outcomes, sampling, progress)
    return ExtractReport(report.made, len(sources) - len(names), (*failed, *report.failed))


def extract_drawn(
    videos: Sequence[DrawnVideo],
    encoder: ImageTextEncoder,
    folder: str | Path,
    *,
    sampling: Sampling | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> ExtractReport:
    """Video features of drawn videos; goes on where it was stopped.

    Raises:
        FingerprintError: the folder holds features of another encoder or sampling.
    """
    sampling = sampling or Sampling()
    with FeatureWriter(folder, video_manifest(encoder, sampling, "drawn")) as writer:
        missing = [video for video in videos if not writer.has(f"{video.video_id}#0", video.source)]
        names, sources = [video.video_id for video in missing], [video.source for video in missing]
        with drawing_tasks(missing, encoder, sampling, processes) as tasks:
            outcomes = embed_videos(tasks, encoder, max(1, processes))
            report = _write_all(writer, names, sources, outcomes, sampling, progress)
    return ExtractReport(report.made, len(videos) - len(missing), report.failed)


def extract_texts(
    texts: Iterable[str], encoder: ImageTextEncoder, folder: str | Path, *, progress: Progress | None = None
) -> ExtractReport:
    """Text features, one item a distinct sentence, whose id is the sentence; goes on where it was stopped.

    They are stored as float32, so that a model hears exactly what it hears in a search, where sentences are encoded
    on the spot.
    """
    wanted = list(dict.fromkeys(texts))
    with FeatureWriter(folder, text_manifest(encoder), dtype=torch.float32) as writer:
        missing = [text for text in wanted if not writer.has(text)]
        for start in range(0, len(missing), TEXTS_A_BATCH):
            batch = missing[start : start + TEXTS_A_BATCH]
            for text, made in zip(batch, encoded_sentences(encoder, batch), strict=True):
                writer.add(text, {"embedding": made.embedding, "tokens": made.tokens}, truncated=made.truncated)
            if progress is not None:
                progress(start + len(batch), len(missing), "sentences")
    return ExtractReport(len(missing), len(wanted) - len(missing))


def _write_all(
    writer: FeatureWriter,
    names: Sequence[str],
    sources: Sequence[str],
    outcomes: Iterable[Outcome],
    sampling: Sampling,
    progress: Progress | None,
) -> ExtractReport:
    failed = []
    for outcome in outcomes:
        name = names[outcome.index]
        try:
            _write(writer, name, sources[outcome.index], outcome, sampling)
        except (CtfError, OSError) as error:
            failed.append((name, why(error)))
            writer.fail(name, why(error))
        if progress is not None:
            progress(outcome.index + 1, len(names), name)
    return ExtractReport(len(names) - len(failed), 0, tuple(failed))


def _write(writer: FeatureWriter, name: str, source: str, outcome: Outcome, sampling: Sampling) -> None:
    if outcome.error is not None:
        raise outcome.error
    assert outcome.source is not None and outcome.features is not None
    features = outcome.features
    writer.add_together(
        [
            NewItem(
                f"{name}#{segment.index}",
                {"frames": frames, "clips": features.clips[segment.clip_slice]},
                {
                    "video_id": name,
                    "start_s": segment.start_s,
                    "end_s": segment.end_s,
                    "clip_seconds": sampling.clip_seconds,
                    "source": source,
                },
            )
            for segment, frames in zip(outcome.source.plan.segments, features.frames)
        ]
    )


def _about(encoder: ImageTextEncoder) -> dict[str, object]:
    return {
        "name": Path(encoder.name).name,
        "fingerprint": encoder.fingerprint,
        "width": encoder.embed_dim,
        "normalised": False,
    }
