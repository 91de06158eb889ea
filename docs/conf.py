"""Builds the documentation: `make docs`."""

from __future__ import annotations

from importlib.metadata import version as installed

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
