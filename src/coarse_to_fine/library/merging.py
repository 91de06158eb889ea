"""Copies stored videos from one library into another."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.library.blocks import BlockStore
from coarse_to_fine.library.catalogue import Catalogue
from coarse_to_fine.library.maintenance import merge_small_blocks
from coarse_to_fine.library.records import FileNote, MergeReport
from coarse_to_fine.library.storing import FinishedVideo, Storer


def copy_videos(
    source: Catalogue, source_blocks: BlockStore, folder: Path, target: Catalogue, target_blocks: BlockStore
) -> MergeReport:
    """Copy all videos whose content and file the target does not have; its writer's lock must be held."""
    stored = target.videos()
    contents, paths = {video.sha256: video.video_id for video in stored}, {video.path for video in stored}
    placements = {placement.video_id: placement for placement in source.placements()}
    files = {row.block_id: row.file for row in source.blocks()}
    windows = source.windows()
    storer = Storer(folder, target, target_blocks)
    copied, skipped = [], []
    for video in source.videos():
        if video.sha256 in contents:
            skipped.append(FileNote(video.path, f"same content as {contents[video.sha256]!r}, kept once"))
            continue
        if video.path in paths:
            skipped.append(FileNote(video.path, "this file is stored with another content; index it again"))
            continue
        place = placements[video.video_id]
        block = source_blocks.block(files[place.block_id])
        frames = block.frames[place.first_segment_row : place.first_segment_row + place.segment_count]
        clips = block.clips[place.first_clip_row : place.first_clip_row + place.clip_count]
        storer.put_video(FinishedVideo(video, tuple(windows[video.video_id]), frames, clips))
        copied.append(video.path)
    storer.flush()
    merge_small_blocks(folder, target, target_blocks)
    ids = target.ids_of_paths(copied)
    return MergeReport(tuple(ids[path] for path in copied), tuple(skipped))
