"""Stage two: fine models that locate the moments of a sentence in a segment of a video."""

from __future__ import annotations

from coarse_to_fine.fine_grained.load import FINE_MODELS, load_fine

__all__ = ["FINE_MODELS", "load_fine"]
