"""Builds the documentation: `make docs`."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

project = "coarse-to-fine"
author = "The coarse-to-fine authors"
copyright = author
release = installed("coarse-to-fine")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "images/*.py"]
nitpicky = False
html_theme = "furo"
html_title = f"coarse-to-fine {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # shell sessions and excerpts are not whole programs

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False


def _as_restructured_text(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are written for people: a bar is a bar, and an example is code."""
    written: list[str] = []
    for line in lines:
        written += ["Example::", ""] if line.strip() == "Example:" else [line.replace("|", "\\|")]
    lines[:] = written


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=400)
