"""Find moments in a collection of videos from a sentence: rank the videos, then locate the moment."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Library": "coarse_to_fine.library",
    "Pipeline": "coarse_to_fine.main_pipeline",
    "MomentHit": "coarse_to_fine.types",
    "VideoHit": "coarse_to_fine.types",
    "VideoMoments": "coarse_to_fine.types",
    "CtfError": "coarse_to_fine.errors",
}

__all__ = ["CtfError", "Library", "MomentHit", "Pipeline", "VideoHit", "VideoMoments", "__version__"]


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so that `import coarse_to_fine` does not load torch."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
