"""A training set on disk: a folder with the `annotations/`, `videos/` and `texts/` of one split."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from coarse_to_fine.datasets.layout import read_annotations, splits, with_alternates, write_annotations
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.examples import ExampleSet
from coarse_to_fine.features.extract import ExtractReport, extract_files, extract_texts

Progress = Callable[[int, int, str], None]


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
    folder = Path(folder)
    there = splits(folder / "annotations")
    if split is None and len(there) != 1:
        raise DataError(f"{folder}/annotations holds the splits {there}; expected one; name the split")
    annotations = read_annotations(folder / "annotations", split or there[0])
    queries = with_alternates(annotations.queries) if alternates else list(annotations.queries)
    return ExampleSet([*queries, *(annotations.coarse if coarse else ())], folder / "videos", folder / "texts")


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
    """
    out = Path(out)
    found = read_annotations(annotations, split)
    own = [found.videos[video_id] for video_id in found.video_ids()]
    write_annotations(out / "annotations", split, own, found.queries)
    captions = f"coarse.{split}.jsonl"
    if found.coarse:
        shutil.copyfile(annotations / captions, out / "annotations" / captions)
    report = extract_files(found, encoder, out / "videos", workers=workers, progress=progress)
    sentences = [query.text for query in (*with_alternates(found.queries), *found.coarse)]
    extract_texts(sentences, encoder, out / "texts", progress=progress)
    return report
