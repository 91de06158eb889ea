"""Features of the drawn world for training: scenes are drawn when looked at, no file is written and decoded."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from coarse_to_fine.atomic_files import write_json_lines
from coarse_to_fine.data_generation.world import Scene, render_frame, sample_scene, scene_seed
from coarse_to_fine.data_generation.world.annotations import coarse_rows, query_rows, video_row
from coarse_to_fine.data_generation.world.encode import frame_times
from coarse_to_fine.datasets.layout import AnnotationSet, read_annotations, with_alternates
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.pretraining.pictures import degraded
from coarse_to_fine.features.drawn import DrawnVideo
from coarse_to_fine.features.extract import ExtractReport, Progress, extract_drawn, extract_texts
from coarse_to_fine.video.picture import Picture


def extract_world(
    folder: str | Path,
    encoder: ImageTextEncoder,
    *,
    split: str,
    videos: int,
    seed: int = 0,
    processes: int = 1,
    progress: Progress | None = None,
) -> ExtractReport:
    """Annotations, video features and text features of a split of the world in one folder; resumable.

    Args:
        folder: gets `annotations/`, `videos/` and `texts/`.
        encoder: makes the features.
        split: `train`, `val`, ...
        videos: how many.
        seed: of the set, as for `generate_world`; the same seed means the same scenes.
        processes: that draw.
        progress: progress(done, total, what).

    Raises:
        FingerprintError: the folder holds features of another encoder.
    """
    folder = Path(folder)
    scenes = [sample_scene(scene_seed(seed, index), split) for index in range(videos)]
    annotations = write_world_annotations(folder / "annotations", scenes)
    drawn = [drawn_video(scene) for scene in scenes]
    report = extract_drawn(drawn, encoder, folder / "videos", processes=processes, progress=progress)
    sentences = [query.text for query in (*with_alternates(annotations.queries), *annotations.coarse)]
    extract_texts(sentences, encoder, folder / "texts", progress=progress)
    return report


def write_world_annotations(folder: Path, scenes: list[Scene]) -> AnnotationSet:
    """The rows of scenes of one split, without any video file."""
    split = scenes[0].split
    folder.mkdir(parents=True, exist_ok=True)
    write_json_lines(folder / "videos.jsonl", (_without_path(video_row(scene)) for scene in scenes))
    write_json_lines(folder / f"queries.{split}.jsonl", (row for scene in scenes for row in query_rows(scene)))
    write_json_lines(folder / f"coarse.{split}.jsonl", (row for scene in scenes for row in coarse_rows(scene)))
    return read_annotations(folder, split)


def drawn_video(scene: Scene) -> DrawnVideo:
    """A scene as a video that exists as a function."""
    times_s = frame_times(scene).tolist()
    return DrawnVideo(scene.video_id, scene.duration_s, times_s, partial(coded_picture, scene), "coding noise 1")


def coded_picture(scene: Scene, time_s: float) -> Picture:
    """The frame at `time_s` with the marks of a lossy codec, the same for the same scene and time."""
    rng = random.Random(f"{scene.video_id}/{time_s:.4f}")
    return np.array(degraded(Image.fromarray(render_frame(scene, time_s)), rng))


def _without_path(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}
