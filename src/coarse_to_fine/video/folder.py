"""Finds the video files of files and folders as a person expects it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".ogv"}
    | {".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".m2v", ".vob", ".asf", ".mxf"}
)
PARTIAL_SUFFIXES = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".!ut", ".!qb", ".aria2"}
)
SYSTEM_FOLDERS = frozenset(("@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"))


@dataclass(frozen=True, slots=True)
class FoundVideos:
    """What a search in files and folders gave.

    Attributes:
        files: the files to read, folders in the order of names, each file once.
        skipped: what looks like a video and is left out for its name, with the reason.
        problems: folders and files that cannot be looked at, with the reason.
    """

    files: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...]
    problems: tuple[tuple[Path, str], ...]


def find_videos(paths: Iterable[str | os.PathLike[str]], *, include_hidden: bool = False) -> FoundVideos:
    """Video files of the given files and of all folders below the given ones.

    A file that is named is always taken, whatever its name is and whether or not it exists: reading it says what is
    wrong. In folders, names decide: known suffixes, no hidden files and folders, no side files (`._name`), no partial
    downloads, nothing in the bins of other systems. Links are followed, each folder and file once.

    Args:
        paths: files and folders.
        include_hidden: take hidden files, side files, partial downloads and hidden folders too.
    """
    search = _Search(include_hidden)
    for path in map(Path, paths):
        if _is_folder(path):
            search.walk(path)
        else:
            search.take(path)
    return FoundVideos(tuple(search.files), tuple(search.skipped), tuple(search.problems))


class _Search:
    """Folders and files seen so far."""

    def __init__(self, include_hidden: bool) -> None:
        self.files: list[Path] = []
        self.skipped: list[tuple[Path, str]] = []
        self.problems: list[tuple[Path, str]] = []
        self._include_hidden = include_hidden
        self._seen_folders: set[tuple[int, int]] = set()
        self._seen_files: set[str] = set()

    def take(self, path: Path) -> None:
        real = os.path.realpath(path)
        if real not in self._seen_files:
            self._seen_files.add(real)
            self.files.append(path)

    def walk(self, top: Path) -> None:
        """Depth first, by hand: no limit of recursion."""
        folders = [top]
        while folders:
            folder = folders.pop()
            if not self._enter(folder):
                continue
            below: list[Path] = []
            for entry in self._entries(folder):
                if _is_folder(entry):
                    if not self._is_hidden(entry) and entry.name not in SYSTEM_FOLDERS:
                        below.append(entry)
                else:
                    self._consider(entry)
            folders.extend(reversed(below))

    def _enter(self, folder: Path) -> bool:
        """False for a folder that was seen: links may lead round in circles."""
        try:
            status = folder.stat()
        except OSError as error:
            self.problems.append((folder, _unreadable(error)))
            return False
        key = status.st_dev, status.st_ino
        fresh = key not in self._seen_folders
        self._seen_folders.add(key)
        return fresh

    def _entries(self, folder: Path) -> Iterator[Path]:
        try:
            yield from sorted(folder.iterdir(), key=lambda path: path.name)
        except OSError as error:
            self.problems.append((folder, _unreadable(error)))

    def _consider(self, path: Path) -> None:
        suffix = _suffix(path)
        partial = suffix in PARTIAL_SUFFIXES and _suffix(path.with_suffix("")) in VIDEO_SUFFIXES
        if not partial and suffix not in VIDEO_SUFFIXES:
            return
        if self._is_hidden(path):
            self.skipped.append((path, "a side file of another system" if path.name.startswith("._") else "hidden"))
        elif partial and not self._include_hidden:
            self.skipped.append((path, "a partial download"))
        else:
            self._take_readable(path)

    def _take_readable(self, path: Path) -> None:
        try:
            regular = stat.S_ISREG(path.stat().st_mode)
        except FileNotFoundError:
            self.problems.append((path, "a link that leads nowhere"))
        except OSError as error:
            self.problems.append((path, _unreadable(error)))
        else:
            if regular:
                self.take(path)
            else:
                self.problems.append((path, "not a regular file"))

    def _is_hidden(self, path: Path) -> bool:
        return path.name.startswith(".") and not self._include_hidden


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (`Path.is_dir` raises where a folder above may not be entered)


def _suffix(path: Path) -> str:
    return path.suffix.lower().strip()


def _unreadable(error: OSError) -> str:
    return f"{error.strerror or error}; check the permissions of the folder"
