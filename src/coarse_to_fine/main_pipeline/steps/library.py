"""The step `library`: the videos of the validation and of the reported split, each split in a library of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coarse_to_fine.datasets.layout import read_annotations
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline.fingerprints import digest
from coarse_to_fine.main_pipeline.run_config import RunFile
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work, refuse_failed
from coarse_to_fine.main_pipeline.steps.encoder_files import encoder_hashes
from coarse_to_fine.main_pipeline.steps.features import BYTES_A_SECOND, decoding_seconds
from coarse_to_fine.main_pipeline.steps.places import annotation_step, annotations_folder, library_folder
from coarse_to_fine.main_pipeline.video_lengths import seconds_by_split


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
            present = [path for path in files.values() if path is not None]
            path = library_folder(self.root, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            device = "cpu" if work.ray else self.config.device  # the encoder travels to the workers
            with Library.open_or_create(path, self.config.encoder, device=device) as library:
                report = library.add(present, workers=self.config.workers, progress=work.progress, ray=work.ray)
                stale = sorted({video.video_id for video in library.videos()} - files.keys())
                if stale:
                    library.remove(stale)
            for name, warning in report.warnings:
                work.note(f"{split}: {name}: {warning}")
            refuse_failed(split, (*report.failed, *report.failed_before))

    def outputs(self) -> Mapping[str, str]:
        found = {}
        for split in searched(self.config):
            path = library_folder(self.root, split)
            if not (path / "catalogue.sqlite").is_file():
                return {"libraries": "absent"}
            with Library.open(path, read_only=True) as library:
                videos = {video.video_id: video.sha256 for video in library.videos()}
                rules = library.sampling.model_dump(mode="json")
                found[split] = digest([videos, library.encoder_fingerprint, rules])
        return found

    def cost(self) -> Cost:
        lengths = seconds_by_split(self.config)
        seconds = sum(lengths[split] for split in searched(self.config))
        return Cost(seconds * decoding_seconds(self.config), seconds * BYTES_A_SECOND)


def searched(config: RunFile) -> tuple[str, ...]:
    """The splits whose videos are searched: the one that chooses the fusion, and the reported one."""
    return ("val", "test") if config.tested == "test" else ("val",)
