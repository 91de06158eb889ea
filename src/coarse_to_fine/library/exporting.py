"""Makes a library out of stored videos: in a hidden folder that takes its name when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from coarse_to_fine.atomic_files import TEMPORARY_SUFFIX, sync_folder
from coarse_to_fine.errors import LibraryError
from coarse_to_fine.library.blocks import BlockStore
from coarse_to_fine.library.catalogue import Catalogue, create_catalogue
from coarse_to_fine.library.merging import copy_videos
from coarse_to_fine.library.opening import LOCK
from coarse_to_fine.library.records import MergeReport
from coarse_to_fine.library.storing import FinishedVideo
from coarse_to_fine.writer_lock import WriterLock


def export_videos(videos: Sequence[FinishedVideo], meta: Mapping[str, str], folder: Path) -> MergeReport:
    """Make a library in a folder that is absent or empty; a kill or a failure leaves none there.

    Raises:
        LibraryError: something is there, another process exports to there, or nothing can be written there.
    """
    hidden = folder.with_name(f".{folder.name}.export{TEMPORARY_SUFFIX}")
    try:
        if folder.exists():
            folder.rmdir()
        hidden.mkdir(parents=True, exist_ok=True)
        with WriterLock(hidden / LOCK):
            try:
                report = _fill(hidden, videos, meta)
            except BaseException:
                _clear(hidden)
                raise
        sync_folder(hidden)
        hidden.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise LibraryError(
            f"{folder} cannot be made a library ({error.strerror or error}); expected an absent or empty folder in one "
            "that this user may write; choose another one or fix the permissions"
        ) from error
    return report


def _fill(hidden: Path, videos: Sequence[FinishedVideo], meta: Mapping[str, str]) -> MergeReport:
    _clear(hidden)
    create_catalogue(hidden, dict(meta))
    with closing(Catalogue(hidden, writable=True)) as catalogue:
        return copy_videos(videos, hidden, catalogue, BlockStore(hidden))


def _clear(hidden: Path) -> None:
    """Delete what an export left that was killed or failed; its lock stays, which a lock must."""
    for entry in hidden.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()
