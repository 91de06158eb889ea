"""The whole content of a library in comparable form."""

from __future__ import annotations

from dataclasses import asdict

import torch

from coarse_to_fine import Library


def content(library: Library) -> dict:
    """Everything that must not depend on how the library came about; tensors as bytes."""
    videos = []
    for video in library.videos():
        values = asdict(video)
        values.pop("added_at")
        videos.append(values)
    segments = library.segments()
    features = library.segment_features([segment.segment_id for segment in segments])
    by_id = {}
    for ids, frames in library.frames_matrix():
        by_id.update({segment_id: row.float() for segment_id, row in zip(ids, frames)})
    for one in features:
        assert torch.equal(by_id[one.segment_id], one.frames)
    assert len(by_id) == len(features)
    return {
        "videos": videos,
        "segments": [asdict(segment) for segment in segments],
        "features": {one.segment_id: (one.frames.numpy().tobytes(), one.clips.numpy().tobytes()) for one in features},
        "failures": library.info().failures,
        "copies": library.info().copies,
    }
