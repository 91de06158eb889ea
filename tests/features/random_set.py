"""A training set of random features on disk, as `ctf extract` lays it out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from coarse_to_fine.features.store import Manifest
from coarse_to_fine.features.writer import FeatureWriter


def write_random_set(
    folder: Path,
    frames: Sequence[Sequence[Tensor]],
    owners: Sequence[int],
    width: int,
    *,
    prefix: str = "v",
    encoders: tuple[str, str] = ("random", "random"),
) -> Path:
    """Videos `v0`, `v1`, ... of which each holds the (F, D) frames of its segments, and a sentence about each owner.

    `encoders` are the fingerprints of those that made the videos' features and the sentences'.
    """
    videos, texts, annotations = folder / "videos", folder / "texts", folder / "annotations"
    made_by = [{"name": "random", "width": width, "fingerprint": fingerprint} for fingerprint in encoders]
    with FeatureWriter(videos, Manifest("video_segments", made_by[0], {})) as writer:
        for video, segments in enumerate(frames):
            for number, one in enumerate(segments):
                times = {"start_s": 10.0 * number, "end_s": 10.0 * number + 10.0, "clip_seconds": 2.0}
                tensors = {"frames": one, "clips": torch.zeros(1, 1)}
                writer.add(f"{prefix}{video}#{number}", tensors, video_id=f"{prefix}{video}", source="random", **times)
    generator = torch.Generator().manual_seed(1)
    with FeatureWriter(texts, Manifest("text", made_by[1], {}), dtype=torch.float32) as writer:
        for number in range(len(owners)):
            embedding = torch.randn(width, generator=generator)
            writer.add(f"text {number}", {"embedding": embedding, "tokens": torch.zeros(1, 1)}, truncated=False)
    annotations.mkdir()
    rows = [
        {"video_id": f"{prefix}{video}", "duration_s": 10.0 * len(each), "fps": 5} for video, each in enumerate(frames)
    ]
    _write(annotations / "videos.jsonl", rows)
    queries = [
        {"query_id": f"q{number}", "video_id": f"{prefix}{owner}", "text": f"text {number}", "windows_s": [[1.0, 3.0]]}
        for number, owner in enumerate(owners)
    ]
    _write(annotations / "queries.test.jsonl", queries)
    return folder


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
