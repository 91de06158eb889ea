"""Writing a whole set of videos with its annotations; stopped at any point, it goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coarse_to_fine.atomic_files import remove_leftovers, write_json_lines, write_text_atomically
from coarse_to_fine.data_generation.world.annotations import (
    coarse_rows,
    query_rows,
    read_lines,
    video_path,
    video_row,
)
from coarse_to_fine.data_generation.world.encode import write_video
from coarse_to_fine.data_generation.world.sampling import WORLD_VERSION, sample_scene
from coarse_to_fine.data_generation.world.scene import Scene
from coarse_to_fine.errors import ConfigError, DataError
from coarse_to_fine.wording import counted, first_of
from coarse_to_fine.worker_processes import WorkerProcesses

FORMAT_VERSION = 1
MOST_VIDEOS = 100_000

Progress = Callable[[int, int], None]
"""Called with (videos done, videos in all), first with what was there already."""


@dataclass(frozen=True, slots=True)
class GeneratedWorld:
    """What a call of `generate_world` left on disk.

    Attributes:
        folder: the set: `dataset.json`, `videos.jsonl`, `queries.<split>.jsonl`, `coarse.<split>.jsonl`, `videos/`.
        split: the split that was written.
        videos, queries, coarse: how many of each the split has.
        skipped: videos that were complete before the call.
    """

    folder: Path
    split: str
    videos: int
    queries: int
    coarse: int
    skipped: int


def scene_seed(seed: int, index: int) -> int:
    """Seed of video number `index` of the set with seed `seed`; sets of different seeds share no video."""
    return seed * MOST_VIDEOS + index


def generate_world(
    out: Path | str,
    videos: int,
    seed: int = 0,
    split: str = "train",
    workers: int = 2,
    progress: Progress | None = None,
) -> GeneratedWorld:
    """Write `videos` videos of one split and their annotations into the folder `out`.

    Files appear under their names only when complete and complete ones are skipped, so that a call which was killed is
    simply repeated. Further splits go into the same folder by further calls, and so do further videos of a split.

    Args:
        out: folder of the set; made if it does not exist.
        videos: how many, 1 to 100,000.
        seed: of the set, from 0.
        split: `train`, `val`, `test` or `test_composition`; two splits share no video.
        workers: processes that draw and encode; 1 works in the calling process.
        progress: see `Progress`.

    Raises:
        ConfigError: a number out of range or an unknown split.
        DataError: the folder holds a set of another version of the world, or other videos of the split.
    """
    if not 1 <= videos <= MOST_VIDEOS or workers < 1:
        raise ConfigError(
            f"{counted(videos, 'video')} by {counted(workers, 'worker')}; expected 1 to {MOST_VIDEOS} videos, 1 worker "
            "or more; correct them"
        )
    return write_scenes(out, [sample_scene(scene_seed(seed, i), split) for i in range(videos)], workers, progress)


def write_scenes(
    out: Path | str, scenes: Sequence[Scene], workers: int = 2, progress: Progress | None = None
) -> GeneratedWorld:
    """Write the given scenes, all of one split, and their annotations; see `generate_world`."""
    folder, split = Path(out), scenes[0].split
    _refuse_others(folder, split, scenes)
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    _check_version(folder)
    for place in (folder, folder / "videos"):
        remove_leftovers(place)
    missing = [scene for scene in scenes if not (folder / video_path(scene)).exists()]
    done = len(scenes) - len(missing)
    if progress:
        progress(done, len(scenes))
    for _ in _written(folder, missing, min(workers, len(missing))):
        done += 1
        if progress:
            progress(done, len(scenes))
    queries, coarse = _annotate(folder, split, scenes)
    return GeneratedWorld(folder, split, len(scenes), queries, coarse, len(scenes) - len(missing))


def _refuse_others(folder: Path, split: str, scenes: Sequence[Scene]) -> None:
    """Refuse a folder with videos of the split that the scenes lack: no row would be left that describes them."""
    drawn = {Path(video_path(scene)).name for scene in scenes}
    there = {path.name for path in (folder / "videos").glob(f"{split}-*.mp4") if path.stem[len(split) + 1 :].isdigit()}
    others = sorted(there - drawn)
    if others:
        raise DataError(
            f"{folder / 'videos'} holds {counted(len(others), 'video')} of {split} that another seed or number of "
            f"videos drew ({first_of(others)}); expected none but those of this call; choose another folder, repeat "
            "the earlier seed with at least as many videos, or remove these files"
        )


def _annotate(folder: Path, split: str, scenes: Sequence[Scene]) -> tuple[int, int]:
    queries = [row for scene in scenes for row in query_rows(scene)]
    coarse = [row for scene in scenes for row in coarse_rows(scene)]
    others = [row for row in read_lines(folder / "videos.jsonl") if row["video_id"].rpartition("-")[0] != split]
    write_json_lines(folder / f"queries.{split}.jsonl", queries)
    write_json_lines(folder / f"coarse.{split}.jsonl", coarse)
    write_json_lines(folder / "videos.jsonl", [*others, *(video_row(scene) for scene in scenes)])
    described = _described(folder)
    described["splits"][split] = {"videos": len(scenes), "queries": len(queries), "coarse": len(coarse)}
    write_text_atomically(folder / "dataset.json", json.dumps(described, indent=2) + "\n")
    return len(queries), len(coarse)


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    return {"name": "world", "format_version": FORMAT_VERSION, "world_version": WORLD_VERSION, "splits": {}}


def _check_version(folder: Path) -> None:
    found = _described(folder).get("world_version")
    if found != WORLD_VERSION:
        raise DataError(
            f"{folder.name}/dataset.json is of world version {found}; expected {WORLD_VERSION}; choose an empty folder"
        )
    if not (folder / "dataset.json").exists():
        write_text_atomically(folder / "dataset.json", json.dumps(_described(folder), indent=2) + "\n")


def _written(folder: Path, scenes: Sequence[Scene], workers: int) -> Iterator[str]:
    """Write videos and yield the id of each when it is complete."""
    if workers <= 1:
        for scene in scenes:
            yield _write_one(folder, scene)
        return
    with WorkerProcesses(workers) as processes:
        for job in as_completed([processes.submit(_write_one, folder, scene) for scene in scenes]):
            yield job.result()


def _write_one(folder: Path, scene: Scene) -> str:
    write_video(scene, folder / video_path(scene))
    return scene.video_id
