"""A whole experiment that takes seconds: a few small videos, annotations, towers with random weights, both stages."""

from __future__ import annotations

import json
from pathlib import Path

from coarse_to_fine.main_pipeline.run_config import RunFile
from tests.foreign_weights.layouts import write_clip
from tests.library.small_videos import write_video

WIDTH = 24
WORDS = 32
SPLITS = {"train": 4, "val": 2, "test": 2}
SENTENCES = ("a red ball jumps", "the green cube falls", "a ball hits the cube", "the cube spins")


def write_experiment(folder: Path) -> Path:
    """Videos, annotation files in Lighthouse's layout and an encoder."""
    number = 0
    for split, count in SPLITS.items():
        lines = []
        for _ in range(count):
            name, seconds = f"video {number}", 8.0 + number
            write_video(folder / "videos" / f"{name}.mp4", seconds, number)
            for place in range(2):
                sentence = f"{SENTENCES[(number + place) % len(SENTENCES)]} {'then ' * number}again"
                window = [2.0 * place, 2.0 * place + 4.0]
                row = {"qid": len(lines), "query": sentence, "vid": name, "duration": seconds}
                lines.append(json.dumps(row | {"relevant_windows": [window]}) + "\n")
            number += 1
        (folder / f"small_{split}_release.jsonl").write_text("".join(lines))
    write_clip(folder / "clip", WIDTH, WORDS)
    return folder


def experiment(folder: Path, **more) -> RunFile:
    """Both stages trained for a few steps."""
    splits = {split: {"annotations": f"small_{split}_release.jsonl"} for split in SPLITS}
    coarse = {"recipe": {"architecture": {"embed_dim": WIDTH}}, "run": {"epochs": 2, "batch_size": 4}}
    architecture = {"video_feature_dims": [WIDTH], "feature_names": ["clip"], "text_feature_dim": WORDS}
    small = {"hidden_dim": 16, "heads": 2, "feed_forward_dim": 16, "queries": 3}
    recipe = {"architecture": architecture | small, "aligned_to": None}
    fine = {"recipe": recipe, "run": {"epochs": 3, "batch_size": 4}}
    values = {
        "name": "Small",
        "data": {"kind": "videos", "root": str(folder), "videos": "videos", **splits},
        "captions": {"variants": 1, "sentences": 2},
        "encoder": str(folder / "clip"),
        "coarse": {"config": "configs/coarse/t-mass-world.yaml", "set": coarse},
        "fine": {"config": "configs/fine/qd-detr-world.yaml", "set": fine},
        "evaluation": {"queries": ["fine", "coarse"], "resamples": 20},
        "workers": 1,
        "device": "cpu",
    }
    return RunFile.model_validate(values | more)
