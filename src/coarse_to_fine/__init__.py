"""Find moments in a collection of videos from a sentence: rank the videos, then locate the moment."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# the same names as in __init__.pyi
_HOME = {
    "CtfError": "coarse_to_fine.errors",
    "Library": "coarse_to_fine.library",
    "MomentHit": "coarse_to_fine.types",
    "Pipeline": "coarse_to_fine.main_pipeline",
    "Query": "coarse_to_fine.main_pipeline",
    "VideoHit": "coarse_to_fine.types",
    "VideoMoments": "coarse_to_fine.types",
    "chosen_videos": "coarse_to_fine.main_pipeline.choosing",
    "cut_hits": "coarse_to_fine.hits.clips",
    "display_hits": "coarse_to_fine.hits.notebook",
    "make_reel": "coarse_to_fine.hits.clips",
    "open_hit": "coarse_to_fine.hits.players",
    "plot_moments": "coarse_to_fine.hits.plot",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Public names are imported on first use, so that `import coarse_to_fine` does not load torch."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
