"""Paths of libraries and videos as they are stored and opened."""

from __future__ import annotations

import os
from pathlib import Path


def absolute(path: str | os.PathLike[str]) -> Path:
    """A path from the root on; `~` is the home folder, and links in it stay as the user wrote them.

    Shells leave `--library=~/videos.ctf` as it is, and so does whoever calls from Python.
    """
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 (Path.resolve follows links)
