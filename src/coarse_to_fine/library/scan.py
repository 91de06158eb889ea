"""Finds the video files under the given paths."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coarse_to_fine.library.changes import FileState
from coarse_to_fine.library.records import FileNote

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".vob"}
    | {".ogv", ".wmv", ".asf", ".flv", ".3gp", ".mxf"}
)
"""Endings taken from folders; a file that is named itself is tried whatever its ending."""

PARTIAL_SUFFIXES = (".part", ".crdownload", ".tmp", ".partial", "~")
"""Endings of downloads that have not ended."""

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Found:
    """Files to look at, each once, in the order of their paths, and what cannot be looked at."""

    files: tuple[FileState, ...]
    problems: tuple[FileNote, ...]


def find_videos(paths: Sequence[StrPath], only: str | None = None, include_hidden: bool = False) -> Found:
    """Video files among and under the paths.

    Args:
        paths: files and folders; folders are searched to the bottom, links to folders are not followed.
        only: shell pattern (`*.mp4`, `*/2024/*`) that the name or the absolute path must match.
        include_hidden: also files and folders whose name starts with a dot, and unfinished downloads.
    """
    files: dict[str, FileState] = {}
    problems: list[FileNote] = []
    for given in paths:
        path = os.path.abspath(os.fspath(given))  # noqa: PTH100 (Path would drop nothing but resolve no `..` either)
        for candidate in _candidates(path, include_hidden, problems):
            if candidate in files or not _matches(candidate, only):
                continue
            try:
                files[candidate] = file_state(candidate)
            except OSError as error:
                problems.append(FileNote(candidate, f"{error.strerror or error}; check that it is there and readable"))
    return Found(tuple(files[path] for path in sorted(files, key=os.fsencode)), tuple(problems))


def file_state(path: str) -> FileState:
    """Size and time of change of a file.

    Raises:
        OSError: it is not there.
    """
    state = Path(path).stat()
    return FileState(path, state.st_size, state.st_mtime_ns)


def _candidates(path: str, include_hidden: bool, problems: list[FileNote]) -> Iterator[str]:
    if not Path(path).is_dir():
        yield path
        return
    for folder, subfolders, names in os.walk(path, onerror=lambda error: problems.append(_unreadable(error))):
        subfolders[:] = [name for name in subfolders if include_hidden or not name.startswith(".")]
        for name in names:
            if _is_video(name, include_hidden):
                yield str(Path(folder) / name)


def _is_video(name: str, include_hidden: bool) -> bool:
    if not include_hidden and name.startswith("."):
        return False
    lower = name.lower()
    if include_hidden:
        for suffix in PARTIAL_SUFFIXES:
            lower = lower.removesuffix(suffix)
    return os.path.splitext(lower)[1].strip() in VIDEO_SUFFIXES  # noqa: PTH122 (names may be `.mp4`)


def _matches(path: str, only: str | None) -> bool:
    return only is None or fnmatch.fnmatch(Path(path).name, only) or fnmatch.fnmatch(path, only)


def _unreadable(error: OSError) -> FileNote:
    return FileNote(str(error.filename), f"{error.strerror or error}; check the permissions of the folder")
