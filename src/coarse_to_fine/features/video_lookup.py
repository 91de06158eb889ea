"""Finds the file of each video id in a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from coarse_to_fine.errors import DataError
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.video.folder import find_videos
from coarse_to_fine.wording import counted, first_of

SHOWN = 5


@dataclass(frozen=True, slots=True)
class LocatedVideos:
    """Files by video id, in the order of the ids, and the ids without a file."""

    paths: dict[str, Path]
    absent: tuple[str, ...]


def locate_videos(folder: str | Path, video_ids: Iterable[str]) -> LocatedVideos:
    """Files whose name is an id, with or without an ending and plain or percent-encoded, anywhere below the folder.

    Raises:
        DataError: no such folder, or two files have the name of one id.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; expected a folder with the video files; check the path")
    by_name: dict[str, list[Path]] = {}
    for path in find_videos([folder]).files:
        for name in {path.name, path.stem, unquote(path.name), unquote(path.stem)}:
            by_name.setdefault(name, []).append(path)
    paths, absent = {}, []
    for video_id in video_ids:
        found = by_name.get(video_id, [])
        if len(found) > 1:
            raise DataError(
                f"video {video_id!r} has {len(found)} files ({first_of([*map(str, found)], SHOWN)}); expected one; "
                "remove or rename the others"
            )
        if found:
            paths[video_id] = found[0].absolute()
        else:
            absent.append(video_id)
    return LocatedVideos(paths, tuple(absent))


def refuse_copies(split: str, paths: Mapping[str, Path]) -> None:
    """Raise if two videos of a split that is searched have the same content: a library keeps it once, for one id.

    Raises:
        DataError: names two of them and their files.
    """
    sizes = Counter(path.stat().st_size for path in paths.values())
    first: dict[str, str] = {}
    for video_id, path in paths.items():
        if sizes[path.stat().st_size] > 1:
            other = first.setdefault(sha256_of(path), video_id)
            if other != video_id:
                raise DataError(
                    f"{split}: videos {other!r} and {video_id!r} have the same content ({paths[other]} and {path}); "
                    "expected one id for each video that is searched; leave one of them out of the annotations"
                )


def refuse_absent(absent: tuple[str, ...], total: int, folder: str | Path) -> None:
    """Raise if videos are absent.

    Raises:
        DataError: says how many and the first of them.
    """
    if absent:
        raise DataError(
            f"{folder} lacks {len(absent)} of {counted(total, 'video')} ({first_of(absent, SHOWN)}); expected a file "
            "for each id; fetch them, or run on the rest with --missing-video drop"
        )
