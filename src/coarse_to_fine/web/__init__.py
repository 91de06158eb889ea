"""The web page and its JSON API: a thin skin over a pipeline."""

from __future__ import annotations

from coarse_to_fine.web.app import create_app

__all__ = ["create_app"]
