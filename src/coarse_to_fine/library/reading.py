"""Features of a library by what its catalogue says about their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from coarse_to_fine.arguments import shown
from coarse_to_fine.errors import LibraryError, UserError
from coarse_to_fine.library import maintenance
from coarse_to_fine.library.blocks import BlockStore, SegmentIds, live_frames
from coarse_to_fine.library.catalogue import Catalogue, SegmentPlace
from coarse_to_fine.library.records import FrameBlock
from coarse_to_fine.types import SegmentFeatures

READ_ATTEMPTS = 5
T = TypeVar("T")


class BlockReader:
    """Reads from blocks that another process may replace meanwhile."""

    def __init__(self, catalogue: Catalogue, blocks: BlockStore) -> None:
        self._catalogue = catalogue
        self._blocks = blocks
        self._generation = -1

    def read(self, what: Callable[[Catalogue, BlockStore], T]) -> T:
        """Read, and again when a writer has replaced blocks between the catalogue's answer and their opening.

        Raises:
            LibraryError: a block is missing that the catalogue names.
        """
        for attempt in range(READ_ATTEMPTS):
            before = self._catalogue.generation()
            if before != self._generation:
                self._blocks.keep_only(row.file for row in self._catalogue.blocks())
                self._generation = before
            try:
                return what(self._catalogue, self._blocks)
            except (FileNotFoundError, KeyError) as error:
                if self._catalogue.generation() == before or attempt == READ_ATTEMPTS - 1:
                    raise LibraryError(
                        f"{self._catalogue.folder} lacks a block ({error}); expected every file that its catalogue "
                        "names; run `ctf library check`, remove the videos that it names, and index them again"
                    ) from error
        raise AssertionError("unreachable")


def features_of_segments(
    catalogue: Catalogue, blocks: BlockStore, segment_ids: Sequence[str], clip_seconds: float
) -> list[SegmentFeatures]:
    """Features in the order asked for, float32 copies.

    Raises:
        UserError: an unknown id.
    """
    places = catalogue.segment_places([one for one in segment_ids if isinstance(one, str)])
    unknown = [one for one in segment_ids if not isinstance(one, str) or one not in places]
    if unknown:
        raise UserError(
            f"no segment {shown(unknown[0])} in {catalogue.folder}; expected `<video id>#<number>`; see `segments()`"
        )
    return [_features_at(places[segment_id], blocks, clip_seconds) for segment_id in segment_ids]


def frame_blocks(catalogue: Catalogue, blocks: BlockStore) -> list[FrameBlock]:
    """Coarse frames of all segments, block by block."""
    files = {row.block_id: row.file for row in catalogue.blocks()}
    return [
        FrameBlock(SegmentIds(placements), live_frames(blocks.block(files[block_id]), placements))
        for block_id, placements in maintenance.by_block(catalogue.placements()).items()
    ]


def _features_at(place: SegmentPlace, blocks: BlockStore, clip_seconds: float) -> SegmentFeatures:
    block = blocks.block(place.file)
    return SegmentFeatures(
        segment_id=place.segment.segment_id,
        video_id=place.segment.video_id,
        start_s=place.segment.start_s,
        end_s=place.segment.end_s,
        clip_seconds=clip_seconds,
        frames=block.frames[place.frame_row].float(),
        clips=block.clips[place.first_clip_row : place.first_clip_row + place.clips].float(),
    )
