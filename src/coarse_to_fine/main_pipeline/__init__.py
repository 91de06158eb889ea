"""The two stages joined (`Pipeline`), and the whole experiment from one configuration (`python -m` this package)."""

from __future__ import annotations

from coarse_to_fine.main_pipeline.pipeline import Pipeline
from coarse_to_fine.main_pipeline.query import Query

__all__ = ["Pipeline", "Query"]
