"""The files of hits: they may have moved since they were indexed, and their names need not be text."""

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


def as_unicode(text: str) -> str:
    """`text` for HTML and JSON; each byte of a file name that is no text becomes U+FFFD.

    Example:
        >>> as_unicode("caf\\udce9.mp4")
        'caf�.mp4'
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
