"""Block files: the features of several whole videos in one safetensors file, memory-mapped for reading."""

from __future__ import annotations

import threading
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import overload

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from coarse_to_fine.atomic_files import write_tensors_atomically
from coarse_to_fine.errors import LibraryError
from coarse_to_fine.library.catalogue import Placement, segment_id
from coarse_to_fine.wording import why

BLOCKS = "blocks"
SUFFIX = ".safetensors"
BLOCK_FORMAT = "coarse-to-fine library block 1"


@dataclass(frozen=True, slots=True)
class Block:
    """Mapped tensors of a block.

    Attributes:
        frames: (S, F, D) float16, coarse frames of the segments of its videos.
        clips: (L, D) float16, clips of its videos.
    """

    frames: Tensor
    clips: Tensor


@dataclass(frozen=True, slots=True)
class WrittenBlock:
    """A block file that is whole on the disk and not yet in the catalogue."""

    file: str
    sha256: str
    bytes: int


class BlockStore:
    """Opens the blocks of a library and keeps their maps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / BLOCKS
        self._open: dict[str, Block] = {}
        self._lock = threading.Lock()

    def block(self, file: str) -> Block:
        """The mapped tensors of a block.

        Raises:
            FileNotFoundError: the file is gone (a writer has replaced it since the catalogue was read).
            LibraryError: the file is damaged.
        """
        with self._lock:
            if file not in self._open:
                self._open[file] = read_block(self.folder / file)
            return self._open[file]

    def keep_only(self, files: Iterable[str]) -> None:
        """Forget the maps of all other blocks."""
        kept = set(files)
        with self._lock:
            self._open = {file: block for file, block in self._open.items() if file in kept}

    def delete(self, files: Iterable[str]) -> None:
        """Delete block files that the catalogue no longer names; maps of readers stay valid."""
        for file in files:
            try:
                (self.folder / file).unlink(missing_ok=True)
            except PermissionError:  # Windows keeps mapped files; the next writer tries again
                continue

    def delete_orphans(self, known: Iterable[str]) -> None:
        """Delete everything that a killed writer left: temporary files and blocks that were never committed."""
        if self.folder.is_dir():
            present = {path.name for path in self.folder.iterdir() if path.is_file()}
            self.delete(present - set(known))


class SegmentIds(Sequence[str]):
    """Ids of consecutive segments of videos, made when asked for."""

    def __init__(self, placements: Sequence[Placement]) -> None:
        self._placements = placements
        self._starts = [0, *accumulate(placement.segment_count for placement in placements)]

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[str]:
        """All ids in turn, without looking for the video of each."""
        for placement in self._placements:
            for index in range(placement.segment_count):
                yield segment_id(placement.video_id, index)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(len(self)))]
        row = row + len(self) if row < 0 else row
        if not 0 <= row < len(self):
            raise IndexError(row)
        owner = bisect_right(self._starts, row) - 1
        return segment_id(self._placements[owner].video_id, row - self._starts[owner])


def write_block(folder: Path, frames: Float[Tensor, "S F D"], clips: Float[Tensor, "L D"]) -> WrittenBlock:
    """Write a block under a new name and bring it to the disk.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    path = folder / BLOCKS / f"{uuid.uuid4().hex}{SUFFIX}"
    path.parent.mkdir(exist_ok=True)
    sha256, size = write_tensors_atomically(path, {"frames": frames, "clips": clips}, {"format": BLOCK_FORMAT})
    return WrittenBlock(path.name, sha256, size)


def read_block(path: Path) -> Block:
    """Map a block.

    Raises:
        FileNotFoundError: the file is gone.
        LibraryError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return Block(file.get_tensor("frames"), file.get_tensor("clips"))
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, RuntimeError) as error:
        raise LibraryError(
            f"block {path.name} cannot be read ({why(error)}); expected the file as it was written; "
            "run `ctf library check`, remove the videos that it names, and index them again"
        ) from error


def rows_of(block: Block, place: Placement) -> tuple[Tensor, Tensor]:
    """The mapped (S, F, D) frames and (L, D) clips of one video of a block."""
    frames = block.frames[place.first_segment_row : place.first_segment_row + place.segment_count]
    return frames, block.clips[place.first_clip_row : place.first_clip_row + place.clip_count]


def live_frames(block: Block, placements: Sequence[Placement]) -> Tensor:
    """(V, F, D) frames of the placed videos: the mapped tensor itself where it has no dead rows."""
    if sum(placement.segment_count for placement in placements) == len(block.frames):
        return block.frames
    rows = [
        torch.arange(placement.first_segment_row, placement.first_segment_row + placement.segment_count)
        for placement in placements
    ]
    return block.frames[torch.cat(rows)]
