"""The step `library`: the videos of the validation and of the reported split, each split in a library of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coarse_to_fine.datasets.layout import read_annotations
from coarse_to_fine.errors import DataError
from coarse_to_fine.file_hashes import sha256_of_values
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work, refuse_failed
from coarse_to_fine.main_pipeline.steps.encoder_files import encoder_hashes
from coarse_to_fine.main_pipeline.steps.features import BYTES_A_SECOND, decoding_seconds
from coarse_to_fine.main_pipeline.steps.places import annotation_step, annotations_folder, library_folder, searched
from coarse_to_fine.main_pipeline.video_lengths import seconds_by_split
from coarse_to_fine.wording import counted


class BuildLibrary(Step):
    """Indexes video files."""

    name = "library"

    @property
    def incremental(self) -> bool:
        return True

    @property
    def needs(self) -> tuple[str, ...]:
        return (annotation_step(self.config),)

    def settings(self) -> Mapping[str, Any]:
        return {"splits": searched(self.config), "encoder": encoder_hashes(self.config.encoder)}

    def run(self, work: Work) -> None:
        for split in searched(self.config):
            annotations = read_annotations(annotations_folder(self.config, self.root, split), split)
            files = {name: annotations.videos[name].path for name in annotations.video_ids()}
            present = {name: path for name, path in files.items() if path is not None}
            path = library_folder(self.root, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            device = "cpu" if work.ray else self.config.device  # the encoder travels to the workers
            with Library.open_or_create(path, self.config.encoder, device=device) as library:
                stale = sorted({video.video_id for video in library.videos()} - files.keys())
                if stale:
                    library.remove(stale)
                ids = {path: name for name, path in present.items()}
                report = library.add(ids, workers=self.config.workers, progress=work.progress, ray=work.ray)
                for name, warning in report.warnings:
                    work.note(f"{split}: {name}: {warning}")
                refuse_failed(split, (*report.failed, *report.failed_before))
                _refuse_lost(split, library, present)

    def outputs(self) -> Mapping[str, str]:
        found = {}
        for split in searched(self.config):
            path = library_folder(self.root, split)
            if not (path / "catalogue.sqlite").is_file():
                return {"libraries": "absent"}
            with Library.open(path, read_only=True) as library:
                videos = {video.video_id: video.sha256 for video in library.videos()}
                rules = library.sampling.model_dump(mode="json")
                found[split] = sha256_of_values([videos, library.encoder_fingerprint, rules])
        return found

    def cost(self) -> Cost:
        lengths = seconds_by_split(self.config)
        seconds = sum(lengths[split] for split in searched(self.config))
        return Cost(seconds * decoding_seconds(self.config), seconds * BYTES_A_SECOND)


def _refuse_lost(split: str, library: Library, files: Mapping[str, Path]) -> None:
    """Raise DataError if a video of a split is not stored under its id."""
    lost = sorted(files.keys() - {video.video_id for video in library.videos()})
    if lost:
        raise DataError(
            f"{split}: {counted(len(lost), 'video is', 'videos are')} not stored under their id, the first is "
            f"{lost[0]!r} of {files[lost[0]]}; expected one for each id; remove {library.path} and run again"
        )
