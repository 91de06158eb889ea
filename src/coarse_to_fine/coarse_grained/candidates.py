"""The first choice in a large gallery: of all segments those that are worth an exact score.

A segment is a candidate by the largest cosine of any of its frames with the text: a moment fills few of its segment's
frames, so the mean frame loses what T-MASS finds. The exact pass in this process is the default; an engine of its own
kind stands in by the same three methods.

Axes: T texts, V segments, C candidates, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from coarse_to_fine.coarse_grained.base import blocks, unit

CHUNK_NUMBERS = 2**19
"""V * F * D multiplied at once; in float16 it fits the processor's cache."""
DIRECTIONS = 128
HELD = 0.9
SAMPLED_FRAMES = 8192
"""Width of a shortened frame, the share of the energy that it must hold, and how many frames decide both."""


class CandidateConfig(BaseModel):
    """When candidates are chosen, and how many. The default is read off the curve of `benchmarks/candidates.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_segments: int = Field(default=50_000, ge=0, description="galleries below this size are scored whole")
    kept: int = Field(default=1000, ge=1, description="segments a text that get an exact score, at least")
    fraction: float = Field(default=0.01, ge=0, le=1, description="share of the gallery that gets one, at least")

    def count(self, segments: int, wanted: int = 0) -> int:
        """C for a gallery of this size of which the `wanted` best will be asked for; V: no choice is made."""
        if segments < self.from_segments:
            return segments
        return min(segments, max(self.kept, round(self.fraction * segments), 4 * wanted))


class CandidateEngine(Protocol):
    """Finds the segments one of whose frames is near a text; columns are numbered in the order they were given."""

    def clear(self) -> None:
        """Forget everything."""

    def extend(self, frames: Float[Tensor, "V F D"]) -> None:
        """Append the frames of further columns."""

    def search(self, text: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        """The columns with the largest cosine of any frame with each text, in any order; all where there are fewer."""


class BestFrames:
    """Every cosine, chunk by chunk, in this process.

    Where few directions hold nearly all of the frames, as in the towers that are in use, the frames are kept a second
    time by their parts in these directions, which are a fraction of the bytes; else they are read where they lie (a
    memory-mapped float16 block is not copied). The directions are those of a sample of the first block.

    One text after another over a chunk that stays in the processor's cache: a matrix-vector product reads float16
    directly, while a product with several texts would widen it first, which costs more than it saves.

    Args:
        directions: width of a shortened frame; 0 keeps the frames as they are.
        held: share of the frames' energy that the directions must hold to be used.
    """

    def __init__(self, directions: int = DIRECTIONS, held: float = HELD) -> None:
        self._directions, self._least = directions, held
        self._basis: Tensor | None = None
        self._blocks: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return sum(len(frames) for frames, _ in self._blocks)

    @property
    def shortened(self) -> bool:
        """Whether frames are kept by their parts in few directions."""
        return self._basis is not None

    def clear(self) -> None:
        self._blocks = []

    def extend(self, frames: Float[Tensor, "V F D"]) -> None:
        if not self._blocks:
            self._basis = main_directions(frames, self._directions, self._least)
        parts = [_inverse_norm(frames[part]) for part in _chunks(frames)]
        inverse_norm = torch.cat(parts) if parts else frames.new_zeros(frames.shape[:2], dtype=torch.float32)
        if self._basis is not None:
            short = [(frames[part].float() @ self._basis).half() for part in _chunks(frames)]
            frames = torch.cat(short) if short else frames[..., : self._basis.shape[1]].half()
        self._blocks.append((frames, inverse_norm))

    def search(self, text: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        asked = unit(text.float())
        asked = asked if self._basis is None else asked.to(self._basis.device) @ self._basis
        best = torch.cat([self._cosines(asked, *block) for block in self._blocks], dim=1)
        return torch.topk(best, min(count, best.shape[1]), dim=1, sorted=False).indices

    def _cosines(
        self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], inverse_norm: Float[Tensor, "V F"]
    ) -> Float[Tensor, "T V"]:
        """The largest cosine of each text with a frame of each segment."""
        asked = text.to(frames.device, frames.dtype)
        best = torch.empty(len(text), len(frames))
        for part in _chunks(frames):
            rows = frames[part].flatten(0, 1)
            for row, one in enumerate(asked):
                best[row, part] = (torch.mv(rows, one).view(-1, frames.shape[1]) * inverse_norm[part]).amax(dim=1)
        return best


def main_directions(frames: Float[Tensor, "V F D"], count: int, held: float) -> Float[Tensor, "D K"] | None:
    """The orthonormal directions that hold most of the energy of unit frames; None where they hold less than `held`.

    Also None where they would not halve the bytes.
    """
    width = frames.shape[-1]
    if not 0 < 2 * count <= width or not len(frames):
        return None
    rows = frames.flatten(0, 1)
    rows = unit(rows[:: max(1, len(rows) // SAMPLED_FRAMES)].float())
    energy, directions = torch.linalg.eigh(rows.T @ rows)  # ascending
    if float(energy[-count:].sum()) < held * float(energy.sum()):
        return None
    kept: Tensor = directions[:, -count:].contiguous()
    return kept


def _chunks(frames: Tensor) -> Iterator[slice]:
    return blocks(len(frames), CHUNK_NUMBERS // (frames.shape[1] * frames.shape[2]))


def _inverse_norm(frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V F"]:
    norm = frames.float().norm(dim=-1)
    return torch.where(norm > 0, 1 / norm, torch.zeros_like(norm))


class Candidates:
    """A candidate engine that follows the blocks of a gallery; blocks that only came at the end are appended."""

    def __init__(self, engine: CandidateEngine, config: CandidateConfig) -> None:
        self.engine, self.config = engine, config
        self._held: list[Tensor] = []

    def hold(self, frames: Sequence[Float[Tensor, "V F D"]]) -> None:
        """Bring the engine to these blocks."""
        known = len(self._held)
        if known > len(frames) or any(old is not new for old, new in zip(self._held, frames)):
            self.engine.clear()
            known = 0
        for block in frames[known:]:
            self.engine.extend(block)
        self._held = list(frames)
