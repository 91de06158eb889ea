"""The files of hits, which may have moved since they were indexed."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.errors import VideoError


def require_file(path: str | Path) -> None:
    """Say that an indexed video is gone before something tries to read it.

    Raises:
        VideoError: there is no file.
    """
    if not Path(path).is_file():
        raise VideoError(
            "the file is not where it was when it was indexed; expected the video; put it back, or index its folder "
            "again"
        )
