"""The rows that describe scenes on disk: videos, queries with their windows, coarse captions."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from coarse_to_fine.data_generation.world.captions import coarse_caption, event_sentences, is_twin
from coarse_to_fine.data_generation.world.scene import Event, Scene

Row = dict[str, Any]

COARSE_VARIANTS = 2
PARAPHRASES = 3  # sentences of an event: the query and its alternates


def video_path(scene: Scene) -> str:
    """Where a video lies in the folder of the set."""
    return f"videos/{scene.video_id}.mp4"


def video_row(scene: Scene) -> Row:
    """One line of `videos.jsonl`."""
    return {
        "video_id": scene.video_id,
        "duration_s": scene.duration_s,
        "fps": float(scene.fps),
        "path": video_path(scene),
    }


def query_rows(scene: Scene) -> list[Row]:
    """One line of `queries.<split>.jsonl` an event; where a sentence fits several events, it lists all windows."""
    return [_query_row(scene, index, event) for index, event in enumerate(scene.events)]


def coarse_rows(scene: Scene) -> list[Row]:
    """The lines of `coarse.<split>.jsonl` of one video."""
    return [
        {
            "caption_id": f"{scene.video_id}-c{variant}",
            "video_id": scene.video_id,
            "text": coarse_caption(scene, variant),
            "variant": variant,
        }
        for variant in range(COARSE_VARIANTS)
    ]


def _query_row(scene: Scene, index: int, event: Event) -> Row:
    rng = random.Random(f"{scene.video_id}/query/{index}")
    first, *others = event_sentences(scene, event, PARAPHRASES, rng)
    return {
        "query_id": f"{scene.video_id}-q{index}",
        "video_id": scene.video_id,
        "text": first.text,
        "windows_s": [list(window) for window in first.windows_s],
        "extras": {
            "event_window_s": list(event.window_s),
            "action": event.action,
            "direction": event.direction,
            "subject": scene.actors[event.subject].name,
            "target": None if event.target is None else scene.actors[event.target].name,
            "place": scene.place,
            "held_out": event.held_out,
            "hard_negatives": hard_negatives(scene, event),
            "alternates": [
                {"text": one.text, "windows_s": [list(window) for window in one.windows_s]} for one in others
            ],
        },
    }


def hard_negatives(scene: Scene, event: Event) -> dict[str, int]:
    """How many other events of the video differ in one thing only: the action, who does it, or the direction."""
    others = [other for other in scene.events if other is not event and not is_twin(event, other, directed=True)]
    return {
        "same_object": sum(other.subject == event.subject and other.action != event.action for other in others),
        "same_action": sum(other.subject != event.subject and other.action == event.action for other in others),
        "other_direction": sum(is_twin(event, other, directed=False) for other in others),
    }


def read_lines(path: Path) -> list[Row]:
    """The rows of a file of JSON lines; empty where there is none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
