"""Stage one: rank the segments of a library for a sentence."""

from __future__ import annotations

from coarse_to_fine.coarse_grained.load import COARSE_MODELS, load_coarse

__all__ = ["COARSE_MODELS", "load_coarse"]
