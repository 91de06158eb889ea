"""The step `data`: annotations of every split in our layout; of the drawn world the videos too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coarse_to_fine.datasets.repair import Annotations
from coarse_to_fine.errors import DataError
from coarse_to_fine.features.video_lookup import refuse_copies
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.main_pipeline.annotated_splits import annotation_files, read_split, read_splits
from coarse_to_fine.main_pipeline.fingerprints import files_digest, listing_digest
from coarse_to_fine.main_pipeline.run_config import PublishedData, RunFile, VideoData, WorldData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work
from coarse_to_fine.main_pipeline.steps.places import searched

WORLD_SECONDS, WORLD_BYTES = 1.0, 2.2e6
"""To render one video of the world, 75 s long in the mean."""

ANNOTATION_BYTES = 300
READING_SECONDS = 3.0


class PrepareData(Step):
    """Draws the videos of the world, or reads annotation files and finds each video's file."""

    name = "data"

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def settings(self) -> Mapping[str, Any]:
        data = self.config.data
        if isinstance(data, WorldData):
            return {"kind": "world", "val": data.val, "test": data.test, "seed": self.config.seed}
        chosen = {"kind", "train", "val", "test", "holdout", "missing"}
        return {**data.model_dump(mode="json", include=chosen), "seed": self.config.seed}

    def inputs(self) -> Mapping[str, str]:
        data = self.config.data
        if isinstance(data, WorldData):
            return {}
        files = annotation_files(data, self.config.splits)
        for path in files:
            if not path.is_file():
                raise DataError(
                    f"no annotation file {path}; expected one that the configuration names; put it there, or set "
                    "data.root or the names of the section data"
                )
        found = {path.name: sha256_of(path) for path in files}
        if isinstance(data, VideoData):
            found["videos"] = listing_digest(_video_files(data))
        return found

    def run(self, work: Work) -> None:
        data = self.config.data
        if isinstance(data, WorldData):
            self._render(data, work)
            return
        found = read_splits(data, self.config.splits, self.config.seed)
        _require_windows(self.config, found[self.config.tested])
        for split, part in found.items():
            for line in part.report.lines():
                work.note(f"{split}: {Path(part.report.file).name}: {line}")
            paths = _write_split(data, part, self.folder / split, work)
            if split in searched(self.config):
                refuse_copies(split, paths)

    def outputs(self) -> Mapping[str, str]:
        if not isinstance(self.config.data, WorldData):
            return {split: _annotation_digest(self.folder / split) for split in self.config.splits}
        videos = files_digest((self.folder / "videos").glob("*.mp4"), self.folder)
        return {"annotations": _annotation_digest(self.folder), "videos": videos}

    def cost(self) -> Cost:
        data = self.config.data
        if isinstance(data, WorldData):
            videos = data.val + data.test
            return Cost(videos * WORLD_SECONDS, videos * WORLD_BYTES)
        queries = sum(len(read_split(data, split, self.config.seed).queries) for split in self.config.splits)
        return Cost(READING_SECONDS, queries * ANNOTATION_BYTES)

    def _render(self, data: WorldData, work: Work) -> None:
        from coarse_to_fine.data_generation.world import generate_world

        for split, videos in (("val", data.val), ("test", data.test)):
            generate_world(
                self.folder,
                videos,
                self.config.seed,
                split,
                self.config.workers,
                lambda done, total, split=split: work.progress(done, total, split),  # type: ignore[misc]
            )


def _require_windows(config: RunFile, reported: Annotations) -> None:
    """Refuse a split whose moments nobody can measure before anything is trained."""
    moments = isinstance(config.data, PublishedData) or set(config.evaluation.queries) != {"coarse"}
    if moments and not reported.report.windows:
        raise DataError(
            f"{reported.report.file}: no sentence has a window; expected windows to report by; leave data.test out to "
            "report on validation, and answer this file with ctf evaluate fine --predictions"
        )


def _write_split(data: Any, found: Annotations, folder: Path, work: Work) -> Mapping[str, Path]:
    """Write a split; returns the file of each video, where there are any."""
    from coarse_to_fine.features.set_annotations import write_set
    from coarse_to_fine.features.training_set import with_files

    if not isinstance(data, VideoData):
        write_set(found, folder, {})
        return {}
    placed = with_files(found, data.path(data.videos), data.missing)
    for video_id in placed.absent:
        work.note(f"{video_id}: no file in {data.videos}; its queries are left out")
    for video_id, reason in placed.broken.items():
        work.note(f"{video_id}: {reason}; its queries are left out")
    write_set(placed.annotations, folder, placed.paths)
    return {name: path for name, path in placed.paths.items() if name not in placed.broken}


def _annotation_digest(folder: Path) -> str:
    return files_digest([*folder.glob("*.jsonl")] or [folder / "videos.jsonl"], folder)


def _video_files(data: VideoData) -> tuple[Path, ...]:
    from coarse_to_fine.video.folder import find_videos

    folder = data.path(data.videos)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; expected the videos of the data set; set data.root or data.videos")
    return tuple(Path(file) for file in find_videos([folder]).files)
