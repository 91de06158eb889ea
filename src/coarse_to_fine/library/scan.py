"""The video files under the given paths with their state."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coarse_to_fine.arguments import require_path, several
from coarse_to_fine.library.absolute import absolute
from coarse_to_fine.library.changes import FileState
from coarse_to_fine.library.records import FileNote

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Found:
    """Files to look at, each once, in the order of their paths, and what cannot be looked at."""

    files: tuple[FileState, ...]
    problems: tuple[FileNote, ...]


def paths_of(given: StrPath | Iterable[StrPath]) -> list[StrPath]:
    """One path or several.

    Raises:
        UserError: something is no path.
    """
    paths = [given] if isinstance(given, str | os.PathLike) else several(given, "paths", "files and folders")
    for path in paths:
        require_path(path, "one of the paths")
    return paths


def scan_videos(paths: Sequence[StrPath], only: str | None = None, include_hidden: bool = False) -> Found:
    """Video files among and under the paths, as `coarse_to_fine.video.find_videos` finds them.

    Args:
        paths: files and folders; folders are searched to the bottom.
        only: shell pattern (`*.mp4`, `*/2024/*`) that the name or the absolute path must match.
        include_hidden: also files and folders whose name starts with a dot, and unfinished downloads.
    """
    from coarse_to_fine.video.folder import find_videos  # loads a video library, which a search does not need

    listed = find_videos(map(absolute, paths), include_hidden=include_hidden)
    files: list[FileState] = []
    problems = [
        FileNote(str(path), reason) for path, reason in listed.problems if path.is_dir() or _matches(str(path), only)
    ]
    for path in sorted(map(str, listed.files), key=os.fsencode):
        if not _matches(path, only):
            continue
        try:
            files.append(file_state(path))
        except OSError as error:
            problems.append(FileNote(path, f"{error.strerror or error}; check that it is there and readable"))
    return Found(tuple(files), tuple(problems))


def file_state(path: str) -> FileState:
    """Size and time of change of a file.

    Raises:
        OSError: it is not there.
    """
    state = Path(path).stat()
    return FileState(path, state.st_size, state.st_mtime_ns)


def _matches(path: str, only: str | None) -> bool:
    return only is None or fnmatch.fnmatch(Path(path).name, only) or fnmatch.fnmatch(path, only)
