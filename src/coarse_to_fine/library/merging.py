"""Copies stored videos from one library into another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coarse_to_fine.library.blocks import BlockStore, rows_of
from coarse_to_fine.library.catalogue import Catalogue
from coarse_to_fine.library.maintenance import merge_small_blocks
from coarse_to_fine.library.records import FileNote, MergeReport
from coarse_to_fine.library.storing import FinishedVideo, Storer


def stored_videos(catalogue: Catalogue, blocks: BlockStore) -> list[FinishedVideo]:
    """All videos of one generation with their features; the maps stay valid whatever a writer does next.

    Raises:
        FileNotFoundError: a writer has replaced a block since the catalogue was read.
    """
    videos, windows, placed, files = catalogue.unchanged(
        lambda: (catalogue.videos(), catalogue.windows(), catalogue.placements(), catalogue.blocks())
    )
    placements = {placement.video_id: placement for placement in placed}
    by_id = {row.block_id: row.file for row in files}
    found = []
    for video in videos:
        place = placements[video.video_id]
        frames, clips = rows_of(blocks.block(by_id[place.block_id]), place)
        found.append(FinishedVideo(video, tuple(windows[video.video_id]), frames, clips))
    return found


def copy_videos(
    finished: Sequence[FinishedVideo], folder: Path, target: Catalogue, target_blocks: BlockStore
) -> MergeReport:
    """Copy all videos whose content and file the target does not have; its writer's lock must be held."""
    stored = target.videos()
    contents, paths = {video.sha256: video.video_id for video in stored}, {video.path for video in stored}
    storer = Storer(folder, target, target_blocks)
    copied, skipped = [], []
    for one in finished:
        video = one.video
        if video.sha256 in contents:
            skipped.append(FileNote(video.path, f"same content as {contents[video.sha256]!r}, kept once"))
        elif video.path in paths:
            skipped.append(FileNote(video.path, "this file is stored with another content; index it again"))
        else:
            storer.put_video(one)
            copied.append(video.path)
    storer.flush()
    merge_small_blocks(folder, target, target_blocks)
    ids = target.ids_of_paths(copied)
    return MergeReport(tuple(ids[path] for path in copied), tuple(skipped))
