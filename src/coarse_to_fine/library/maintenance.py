"""Looks after a library: merging blocks, checking, counting, and finding videos by name."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import torch

from coarse_to_fine.errors import LibraryError, UserError
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.library import changes
from coarse_to_fine.library.absolute import absolute
from coarse_to_fine.library.blocks import BlockStore, read_block, rows_of, write_block
from coarse_to_fine.library.catalogue import BlockRow, Catalogue, Placement
from coarse_to_fine.library.connection import CATALOGUE
from coarse_to_fine.library.records import CheckReport, CompactReport, LibraryInfo, StoredVideo
from coarse_to_fine.wording import counted

MERGED_BYTES = 64 << 20
"""Blocks are merged up to about this size."""

SMALL_BYTES = 8 << 20
MANY_SMALL_BLOCKS = 32
"""More blocks below SMALL_BYTES than this are merged after an `add`, so that the number of files stays low."""


def merge_small_blocks(folder: Path, catalogue: Catalogue, blocks: BlockStore) -> None:
    """Merge small blocks where there are many."""
    small = [row for row in catalogue.blocks() if row.bytes < SMALL_BYTES]
    if len(small) > MANY_SMALL_BLOCKS:
        _rewrite(folder, catalogue, blocks, small)


def compact(folder: Path, catalogue: Catalogue, blocks: BlockStore) -> CompactReport:
    """Rewrite every block that has dead rows or is small; the others stay as they are."""
    before = catalogue.blocks()
    live = {
        block_id: sum(placement.segment_count for placement in placements)
        for block_id, placements in by_block(catalogue.placements()).items()
    }
    wanting = [row for row in before if row.bytes < MERGED_BYTES // 2 or live.get(row.block_id) != row.segment_rows]
    whole = len(wanting) == 1 and live.get(wanting[0].block_id) == wanting[0].segment_rows
    if wanting and not whole:
        _rewrite(folder, catalogue, blocks, wanting)
    after = catalogue.blocks()
    return CompactReport(len(before), len(after), sum(row.bytes for row in before), sum(row.bytes for row in after))


def check(catalogue: Catalogue, folder: Path, embed_dim: int) -> CheckReport:
    """Hash every block and compare it with the catalogue."""
    problems = [f"{CATALOGUE}: {line}" for (line,) in catalogue.rows("PRAGMA integrity_check") if line != "ok"]
    rows = catalogue.blocks()
    placements = by_block(catalogue.placements())
    for row in rows:
        names = ", ".join(placement.video_id for placement in placements.get(row.block_id, ())) or "no video"
        found = _block_problems(folder, row, placements, embed_dim)
        problems += [f"block {row.file} ({names}): {line}" for line in found]
    videos = catalogue.videos()
    problems += _count_problems(catalogue)
    missing = tuple(video.path for video in videos if not Path(video.path).is_file())
    return CheckReport(
        len(videos), catalogue.count("segments"), len(rows), sum(row.bytes for row in rows), tuple(problems), missing
    )


def info(catalogue: Catalogue, folder: Path) -> LibraryInfo:
    """A library in numbers."""
    meta = catalogue.meta()
    blocks = catalogue.blocks()
    return LibraryInfo(
        path=str(folder),
        format_version=int(meta["format_version"]),
        encoder=meta["encoder"],
        encoder_fingerprint=meta["encoder_fingerprint"],
        sampling=Sampling.from_stored(meta["sampling"]),
        sampling_fingerprint=meta["sampling_fingerprint"],
        embed_dim=int(meta["embed_dim"]),
        videos=catalogue.count("videos"),
        segments=catalogue.count("segments"),
        duration_s=float(catalogue.rows("SELECT coalesce(sum(duration_s), 0) FROM videos")[0][0]),
        failures=catalogue.failure_notes(),
        copies=catalogue.count("copies"),
        blocks=len(blocks),
        bytes=sum(row.bytes for row in blocks),
        generation=int(meta["generation"]),
        created_at=meta["created_at"],
        created_by=meta["created_by"],
    )


def named_videos(videos: Sequence[StoredVideo], names: Sequence[str], library: Path) -> list[str]:
    """Ids of the videos that are meant by ids, files or folders.

    Raises:
        UserError: a name means none.
    """
    ids = {video.video_id for video in videos}
    by_path = sorted((video.path, video.video_id) for video in videos)
    chosen: dict[str, None] = {}
    for name in names:
        path = str(absolute(name))
        found = [name] if name in ids else [*_starting_with(by_path, path, whole=True)]
        found = found or [*_starting_with(by_path, os.path.join(path, ""))]  # noqa: PTH118
        if not found:
            raise UserError(
                f"no video of {library} is called {name!r} or lies there; expected an id, file or folder of "
                "`ctf library list`; check the name"
            )
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _starting_with(by_path: Sequence[tuple[str, str]], start: str, whole: bool = False) -> Iterator[str]:
    """Ids whose path, in the order of which they are given, starts with this, or is this."""
    for place in range(bisect_left(by_path, (start, "")), len(by_path)):
        path, video_id = by_path[place]
        if path != start if whole else not path.startswith(start):
            return
        yield video_id


def by_block(placements: Sequence[Placement]) -> dict[int, list[Placement]]:
    """Placements of each block in the order of its rows."""
    return {block_id: list(group) for block_id, group in groupby(placements, key=lambda one: one.block_id)}


def _rewrite(folder: Path, catalogue: Catalogue, blocks: BlockStore, rows: Sequence[BlockRow]) -> None:
    """Copy the live rows of blocks into new ones of about MERGED_BYTES, each swapped in by one transaction."""
    placements = by_block(catalogue.placements())
    group: list[BlockRow] = []
    held = 0
    for row in rows:
        if group and held + row.bytes > MERGED_BYTES:
            _swap(folder, catalogue, blocks, group, placements)
            group, held = [], 0
        group.append(row)
        held += row.bytes
    _swap(folder, catalogue, blocks, group, placements)


def _swap(
    folder: Path,
    catalogue: Catalogue,
    blocks: BlockStore,
    group: Sequence[BlockRow],
    placements: Mapping[int, Sequence[Placement]],
) -> None:
    frames, clips, moved = [], [], []
    segment_row = clip_row = 0
    for row in group:
        block = blocks.block(row.file)
        for place in placements.get(row.block_id, ()):
            own_frames, own_clips = rows_of(block, place)
            frames.append(own_frames)
            clips.append(own_clips)
            moved.append((place.video_id, segment_row, clip_row))
            segment_row += place.segment_count
            clip_row += place.clip_count
    try:
        written = write_block(folder, torch.cat(frames), torch.cat(clips))
    except OSError as error:
        raise LibraryError(
            f"{folder} cannot be written ({error.strerror or error}); expected free disk space for a second copy of "
            "its largest block; nothing was changed; make room and run again"
        ) from error
    with catalogue.transaction() as connection:
        block_id = changes.insert_block(connection, written.file, written.sha256, written.bytes, segment_row, clip_row)
        changes.place_videos(connection, block_id, moved)
        emptied = changes.delete_empty_blocks(connection)
    blocks.delete(emptied)
    blocks.keep_only(row.file for row in catalogue.blocks())


def _block_problems(
    folder: Path, row: BlockRow, placements: Mapping[int, Sequence[Placement]], embed_dim: int
) -> list[str]:
    path = folder / row.file
    if not path.is_file():
        return ["missing"]
    found = sha256_of(path)
    if found != row.sha256:
        return [f"expected sha256 {row.sha256}, got {found}"]
    block = read_block(path)
    problems = []
    if block.frames.shape[0] != row.segment_rows or block.frames.shape[-1] != embed_dim:
        problems.append(f"frames have shape {tuple(block.frames.shape)}, expected {counted(row.segment_rows, 'row')}")
    if tuple(block.clips.shape) != (row.clip_rows, embed_dim):
        problems.append(f"clips have shape {tuple(block.clips.shape)}, expected {(row.clip_rows, embed_dim)}")
    if not bool(torch.isfinite(block.frames).all()) or not bool(torch.isfinite(block.clips).all()):
        problems.append("holds values that are not finite")
    for place in placements.get(row.block_id, ()):
        segment_end = place.first_segment_row + place.segment_count
        clip_end = place.first_clip_row + place.clip_count
        if segment_end > row.segment_rows or clip_end > row.clip_rows:
            problems.append(f"{place.video_id} is said to reach row {segment_end} and {clip_end}, past the end")
    return problems


def _count_problems(catalogue: Catalogue) -> list[str]:
    rows = catalogue.rows(
        "SELECT video_id, segment_count, (SELECT count(*) FROM segments s WHERE s.video_id = v.video_id) AS found "
        "FROM videos v WHERE segment_count != found"
    )
    return [
        f"video {video_id}: {counted(found, 'segment')} listed, expected {count}" for video_id, count, found in rows
    ]
