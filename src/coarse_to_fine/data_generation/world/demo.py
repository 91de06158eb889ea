"""The demo: a small set of short videos of the test split and searches with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coarse_to_fine.data_generation.world.annotations import coarse_rows, query_rows
from coarse_to_fine.data_generation.world.generate import GeneratedWorld, Progress, scene_seed, write_scenes
from coarse_to_fine.data_generation.world.sampling import sample_scene
from coarse_to_fine.data_generation.world.scene import Scene

DEMO_VIDEOS = 24
DEMO_SEED = 7  # of the set; the videos for measurements have seed 0
LONGEST_S = 60.0
LARGEST_HEIGHT = 240
MOST_FPS = 15

Kind = Literal["fine", "coarse", "coarse+fine"]


@dataclass(frozen=True, slots=True)
class DemoSearch:
    """One example search and where its answer is.

    Attributes:
        kind: what the sentence describes: a moment, a whole video, or one of each.
        query: the sentence; for `coarse+fine` the one that describes the video.
        moment: the sentence that describes the moment, for `coarse+fine` only.
        video_id: the true video.
        windows_s: true windows in it, seconds; the whole video for `coarse`.
    """

    kind: Kind
    query: str
    moment: str | None
    video_id: str
    windows_s: tuple[tuple[float, float], ...]


def demo_scenes() -> tuple[Scene, ...]:
    """The first scenes of the demo's set that are short and small."""
    found: list[Scene] = []
    for scene in _scenes():
        if len(found) == DEMO_VIDEOS:
            break
        if scene.duration_s <= LONGEST_S and scene.size[1] <= LARGEST_HEIGHT and scene.fps <= MOST_FPS:
            found.append(scene)
    return tuple(found)


def demo_searches() -> tuple[DemoSearch, ...]:
    """Five searches for moments, two for videos and two for a moment in a described video, over different videos."""
    scenes = demo_scenes()
    fine = [_fine(scene, index) for index, scene in enumerate(scenes[:: DEMO_VIDEOS // 5][:5])]
    coarse = [_coarse(scene) for scene in scenes[1 :: DEMO_VIDEOS // 2][:2]]
    both = [_both(scene) for scene in scenes[2 :: DEMO_VIDEOS // 2][:2]]
    return (*fine, *coarse, *both)


def demo_world(out: Path | str, workers: int = 2, progress: Progress | None = None) -> GeneratedWorld:
    """Write the demo's videos and annotations into `out`; resumable as `generate_world`."""
    return write_scenes(out, demo_scenes(), workers, progress)


def _scenes() -> Iterator[Scene]:
    index = 0
    while True:
        yield sample_scene(scene_seed(DEMO_SEED, index), "test")
        index += 1


def _windows(row_windows: list[list[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((start_s, end_s) for start_s, end_s in row_windows)


def _fine(scene: Scene, index: int) -> DemoSearch:
    rows = query_rows(scene)
    row = rows[index % len(rows)]
    return DemoSearch("fine", row["text"], None, scene.video_id, _windows(row["windows_s"]))


def _coarse(scene: Scene) -> DemoSearch:
    text = coarse_rows(scene)[0]["text"]
    return DemoSearch("coarse", text, None, scene.video_id, ((0.0, scene.duration_s),))


def _both(scene: Scene) -> DemoSearch:
    row = query_rows(scene)[-1]
    text = coarse_rows(scene)[1]["text"]
    return DemoSearch("coarse+fine", text, row["text"], scene.video_id, _windows(row["windows_s"]))
