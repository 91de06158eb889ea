"""The step `features`: what training reads, for every split that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coarse_to_fine.errors import DataError
from coarse_to_fine.features.published.config import PublishedFeatures, WordTexts
from coarse_to_fine.file_hashes import sha256_of, sha256_of_values
from coarse_to_fine.main_pipeline.annotated_splits import annotation_files, read_split, split_file
from coarse_to_fine.main_pipeline.fingerprints import files_digest, listing_digest
from coarse_to_fine.main_pipeline.run_config import PublishedData, RunFile, VideoData, WorldData
from coarse_to_fine.main_pipeline.steps.base import Cost, Step, Work, refuse_failed
from coarse_to_fine.main_pipeline.steps.encoder_files import encoder_hashes
from coarse_to_fine.main_pipeline.steps.places import annotation_step, annotations_folder
from coarse_to_fine.main_pipeline.video_lengths import WORLD_WORDINGS, queries_by_split, seconds_by_split
from coarse_to_fine.wording import counted

DRAWING_SECONDS = 0.004
"""To draw and encode, a second of a video of the world."""

DECODING_SECONDS = {"tiny-world": 0.003}
OTHER_DECODING_SECONDS = 0.05
"""To decode and encode, a second of a video file: with the tiny encoder small pictures, with a CLIP large ones."""

IMPORTING_SECONDS = 2e-4
BYTES_A_SECOND = 400
BYTES_A_TEXT = 7_000


class ExtractFeatures(Step):
    """Extracts from the drawn world or from video files, or imports published features."""

    name = "features"

    @property
    def incremental(self) -> bool:
        return isinstance(self.config.data, VideoData)

    @property
    def needs(self) -> tuple[str, ...]:
        return () if isinstance(self.config.data, WorldData) else (annotation_step(self.config),)

    def settings(self) -> Mapping[str, Any]:
        data = self.config.data
        if isinstance(data, PublishedData):
            return data.model_dump(mode="json", include={"kind", "features", "float32", "missing", "holdout"})
        encoder = encoder_hashes(self.config.encoder)
        if isinstance(data, WorldData):
            drawn = {"train": data.train, "val": data.val, "seed": self.config.seed}
            return {"kind": "world", **drawn, "encoder": encoder}
        return {"kind": "videos", "encoder": encoder}

    def inputs(self) -> Mapping[str, str]:
        data = self.config.data
        if not isinstance(data, PublishedData):
            return {}
        files = {path.name: sha256_of(path) for path in annotation_files(data, self.config.splits)}
        return {**files, **_feature_files(data)}

    def run(self, work: Work) -> None:
        if isinstance(self.config.data, PublishedData):
            self._import(self.config.data, work)
        else:
            self._extract(work)

    def outputs(self) -> Mapping[str, str]:
        return {split: features_digest(self.folder / split) for split in read_by_training(self.config)}

    def cost(self) -> Cost:
        data = self.config.data
        lengths = seconds_by_split(self.config)
        seconds = sum(lengths[split] for split in read_by_training(self.config))
        if isinstance(data, PublishedData):
            width = sum(stream.width or 512 for stream in data.features.streams)
            return Cost(seconds * IMPORTING_SECONDS, seconds / (data.features.step_s or 1.0) * width * 2)
        drawn = isinstance(data, WorldData)
        rate = DRAWING_SECONDS if drawn else decoding_seconds(self.config)
        queries = queries_by_split(self.config)
        sentences = sum(queries[split] for split in read_by_training(self.config)) * (WORLD_WORDINGS if drawn else 1)
        return Cost(seconds * rate, seconds * BYTES_A_SECOND + sentences * BYTES_A_TEXT)

    def _extract(self, work: Work) -> None:
        from coarse_to_fine.devices import resolve_device
        from coarse_to_fine.encoders.load import load_encoder
        from coarse_to_fine.features.training_set import extract_set
        from coarse_to_fine.features.world import extract_world

        config, data = self.config, self.config.data
        tower = load_encoder(config.encoder, resolve_device(config.device))
        for split in read_by_training(config):
            out = self.folder / split
            if isinstance(data, WorldData):
                videos = data.train if split == "train" else data.val
                made = extract_world(
                    out,
                    tower,
                    split=split,
                    videos=videos,
                    seed=config.seed,
                    processes=config.workers,
                    progress=work.progress,
                )
            else:
                folder = annotations_folder(config, self.root, split)
                made = extract_set(folder, split, tower, out, workers=config.workers, progress=work.progress)
            refuse_failed(split, made.failed)

    def _import(self, data: PublishedData, work: Work) -> None:
        import torch

        from coarse_to_fine.features.published.import_set import import_set

        for split in self.config.splits:
            done = import_set(
                read_split(data, split, self.config.seed),
                published_features(data, split),
                self.folder / split,
                missing=data.missing,
                dtype=torch.float32 if data.float32 else torch.float16,
                progress=work.progress,
            )
            refuse_failed(split, done.videos.failed)
            for note, count in done.videos.notes:
                work.note(f"{split}: {counted(count, 'video')}: {note}")
            for part, what in ((done.videos, ("video", "videos")), (done.texts, ("query", "queries"))):
                if part is not None and part.absent:
                    work.note(f"{split}: {counted(len(part.absent), *what)} without features left out")


def decoding_seconds(config: RunFile) -> float:
    """Time to decode and encode a second of a video file."""
    return DECODING_SECONDS.get(config.encoder, OTHER_DECODING_SECONDS)


def read_by_training(config: RunFile) -> tuple[str, ...]:
    """The splits whose features are needed: those that train and select, and of imports the one that is reported."""
    return config.splits if isinstance(config.data, PublishedData) else ("train", "val")


def published_features(data: PublishedData, split: str) -> PublishedFeatures:
    """The published features with paths that need no root, and the ids of this split's texts."""
    features = data.features
    streams = tuple(stream.model_copy(update={"path": str(data.path(stream.path))}) for stream in features.streams)
    texts = features.texts
    if isinstance(texts, WordTexts):
        texts = texts.model_copy(update={"path": str(data.path(texts.path))})
    elif texts is not None:
        named = split_file(data, split).text_ids or texts.ids_from
        ids_from = None if named is None else str(data.path(named))
        texts = texts.model_copy(update={"path": str(data.path(texts.path)), "ids_from": ids_from})
    return features.model_copy(update={"streams": streams, "texts": texts})


def features_digest(folder: Path) -> str:
    """One hash of a training set: of its annotations, and of the manifests and indices, which name every shard."""
    parts = [folder / kind / name for kind in ("videos", "texts") for name in ("manifest.json", "index.jsonl")]
    if not all(path.is_file() for path in parts):
        return "absent"
    shards = [path for kind in ("videos", "texts") for path in (folder / kind).glob("*.safetensors")]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(shards)}
    return sha256_of_values([sizes, files_digest([*parts, *(folder / "annotations").glob("*.jsonl")], folder)])


def _feature_files(data: PublishedData) -> dict[str, str]:
    texts = data.features.texts
    places = {stream.name: data.path(stream.path) for stream in data.features.streams}
    places |= {"texts": data.path(texts.path)} if texts is not None else {}
    found = {}
    for name, place in places.items():
        if not place.exists():
            raise DataError(f"no features {place} of {name}; expected what the configuration names; set data.root")
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        found[f"features {name}"] = listing_digest(files)
    return found
