"""Features of a library by what its catalogue says about their places."""

from __future__ import annotations

from collections.abc import Sequence

from coarse_to_fine.arguments import shown
from coarse_to_fine.errors import UserError
from coarse_to_fine.library import maintenance
from coarse_to_fine.library.blocks import BlockStore, SegmentIds, live_frames
from coarse_to_fine.library.catalogue import Catalogue, SegmentPlace
from coarse_to_fine.library.records import FrameBlock
from coarse_to_fine.types import SegmentFeatures


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
