"""A training set on disk: a folder with the `annotations/`, `videos/` and `texts/` of one split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from coarse_to_fine.arguments import require_kind, require_path
from coarse_to_fine.datasets.layout import (
    DATASET,
    AnnotationSet,
    read_annotations,
    splits,
    with_alternates,
    write_annotations,
)
from coarse_to_fine.datasets.repair import Annotations
from coarse_to_fine.encoders.base import ImageTextEncoder, require_encoder
from coarse_to_fine.errors import DataError, VideoError
from coarse_to_fine.features.examples import ExampleSet
from coarse_to_fine.features.extract import ExtractReport, Progress, extract_files, extract_texts
from coarse_to_fine.features.set_annotations import (
    count_truncated,
    named_videos,
    with_durations,
    without_videos,
    write_report,
    write_set,
)
from coarse_to_fine.features.store import FeatureReader
from coarse_to_fine.features.video_lookup import locate_videos, refuse_absent
from coarse_to_fine.video.probe import probe
from coarse_to_fine.wording import as_folder

Missing = Literal["refuse", "drop"]


def training_examples(
    folder: str | Path, split: str | None = None, *, coarse: bool = False, alternates: bool = False
) -> ExampleSet:
    """The examples of a folder.

    Args:
        folder: the folder.
        split: its split; None where there is only one.
        coarse: captions of whole videos too.
        alternates: every paraphrase of a query as a query of its own.

    Raises:
        DataError: no such split, or features of a query are missing.
    """
    require_path(folder, "the folder of features")
    folder = Path(folder)
    annotations = read_annotations(folder / "annotations", split or only_split(folder))
    queries = with_alternates(annotations.queries) if alternates else list(annotations.queries)
    return ExampleSet([*queries, *(annotations.coarse if coarse else ())], folder / "videos", folder / "texts")


def only_split(folder: Path) -> str:
    """The split of a training set that holds one.

    Raises:
        DataError: no training set, or one of several splits.
    """
    there = splits(folder / "annotations")
    if len(there) == 1:
        return there[0]
    if there:
        raise DataError(
            f"{folder}/annotations holds the splits {', '.join(there)}; expected one; extract each into a folder of "
            "its own, or evaluate one by --split"
        )
    if splits(folder):
        got = "holds annotations without features"
        advice = f"make them: ctf extract {as_folder(folder)} --split NAME --out DIR"
    else:
        got = "holds no annotations/queries.<split>.jsonl" if folder.is_dir() else "is no folder"
        advice = "check the path"
    raise DataError(f"{folder} {got}; expected a training set (annotations/, videos/, texts/); {advice}")


def extract_set(
    annotations: Path,
    split: str,
    encoder: ImageTextEncoder,
    out: str | Path,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> ExtractReport:
    """Write the training set of a split from its annotation folder and video files; resumable.

    Raises:
        DataError: the set does not say where a video's file lies.
        FingerprintError: the folder holds features of another encoder.
        UserError: what is given is no encoder.
    """
    require_encoder(encoder)
    out = Path(out)
    found = read_annotations(annotations, split)
    own = [found.videos[video_id] for video_id in found.video_ids()]
    write_annotations(out / "annotations", split, own, found.queries, **_origin(annotations))
    captions = f"coarse.{split}.jsonl"
    if found.coarse:
        shutil.copyfile(annotations / captions, out / "annotations" / captions)
    return _extract(found, encoder, out, workers, progress)


def extract_annotated(
    found: Annotations,
    videos: str | Path,
    encoder: ImageTextEncoder,
    out: str | Path,
    *,
    missing: Missing = "refuse",
    workers: int = 2,
    progress: Progress | None = None,
) -> ExtractReport:
    """Write the training set of an annotation file whose videos lie in a folder; resumable.

    Args:
        found: what a reader gave; a video without an annotated duration gets that of its file.
        videos: folder with one file a video id, at any depth.
        encoder: makes the features.
        out: gets `annotations/`, `videos/` and `texts/`.
        missing: what to do with ids without a file; `drop` leaves their queries out and counts them (R08).
        workers: threads that decode.
        progress: progress(done, total, what).

    Raises:
        DataError: videos are missing, or two files have one id.
        FingerprintError: the folder holds features of another encoder.
        UserError: what is given is no encoder.
    """
    require_encoder(encoder)
    out = Path(out)
    placed = with_files(found, videos, missing)
    about = {"encoder": {"name": Path(encoder.name).name, "fingerprint": encoder.fingerprint}}
    write_set(placed.annotations, out / "annotations", placed.paths, **about)
    layout = read_annotations(out / "annotations", found.report.split)
    report = _extract(layout, encoder, out, workers, progress)
    count_truncated(placed.annotations, FeatureReader(out / "texts"))
    write_report(placed.annotations.report, out / "annotations")
    return replace(report, failed=(*placed.broken.items(), *report.failed), absent=placed.absent)


@dataclass(frozen=True, slots=True)
class PlacedAnnotations:
    """Annotations whose videos are on disk.

    Attributes:
        annotations: without the queries of lost videos; every video has a length.
        paths: file of each video id.
        absent: ids without a file.
        broken: reason by id of files without any frame, where their length was needed.
    """

    annotations: Annotations
    paths: Mapping[str, Path]
    absent: tuple[str, ...]
    broken: Mapping[str, str]


def with_files(found: Annotations, videos: str | Path, missing: Missing = "refuse") -> PlacedAnnotations:
    """Find the file of every video of annotations; arguments and errors as for `extract_annotated`."""
    require_kind(found, Annotations, "found", "annotations", "read them: load_annotations(FILE) of datasets.formats")
    wanted = named_videos(found.queries)
    located = locate_videos(videos, wanted)
    if missing == "refuse" or not located.paths:
        refuse_absent(located.absent, len(wanted), videos)
    found = without_videos(found, set(located.absent))
    durations, broken = _durations({name: path for name, path in located.paths.items() if name not in found.videos})
    found = with_durations(without_videos(found, broken), durations)
    return PlacedAnnotations(found, located.paths, located.absent, broken)


def _extract(
    found: AnnotationSet, encoder: ImageTextEncoder, out: Path, workers: int, progress: Progress | None
) -> ExtractReport:
    report = extract_files(found, encoder, out / "videos", workers=workers, progress=progress)
    sentences = [query.text for query in (*with_alternates(found.queries), *found.coarse)]
    extract_texts(sentences, encoder, out / "texts", progress=progress)
    return report


def _durations(paths: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds by id, and the reason by id of files without any frame."""
    durations, broken = {}, {}
    for name, path in paths.items():
        try:
            durations[name] = probe(path).duration_s
        except VideoError as error:
            broken[name] = str(error)
    return durations, broken


def _origin(annotations: Path) -> dict[str, Any]:
    """The description of a set, kept with its features."""
    path = annotations / DATASET
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return values
