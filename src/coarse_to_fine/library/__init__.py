"""The on-disk library: catalogue, segments, features, fingerprints."""

from __future__ import annotations

from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.library.catalogue import is_library
from coarse_to_fine.library.library import Library
from coarse_to_fine.library.records import (
    AddReport,
    CheckReport,
    CompactReport,
    FileNote,
    FrameBlock,
    LibraryInfo,
    MergeReport,
    StoredSegment,
    StoredVideo,
)

__all__ = [
    "AddReport",
    "CheckReport",
    "CompactReport",
    "FileNote",
    "FrameBlock",
    "Library",
    "LibraryInfo",
    "MergeReport",
    "Sampling",
    "StoredSegment",
    "StoredVideo",
    "is_library",
]
