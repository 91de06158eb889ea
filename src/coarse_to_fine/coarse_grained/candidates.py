"""The first choice in a large gallery: of all segments those that are worth an exact score.

A segment is a candidate by the largest cosine of its frames with the text plus their mean: a moment fills few of its
segment's frames, so the mean alone loses what T-MASS finds, and among segments that show a thing equally well T-MASS
prefers those that show it longer. The pass in this process is the default; an engine of its own kind stands in by the
same three methods.

Axes: T texts, V segments, C candidates, F frames, D width, K shortened width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Int8, Shaped
from pydantic import Field
from torch import Tensor

from coarse_to_fine.arguments import require_kind
from coarse_to_fine.coarse_grained.base import blocks, unit
from coarse_to_fine.cores import cores_for
from coarse_to_fine.frozen_config import FrozenConfig

ROUNDED_AT_ONCE = 2**22
"""V * F * D."""
MULTIPLIED_AT_ONCE = 2**23
"""V * F * K, for each core; smaller chunks cost more calls than the processor's cache saves."""
SHARED_SEGMENTS = 1024
"""From which on operations are divided among the cores."""
DIRECTIONS = 128
HELD = 0.9
SAMPLED_FRAMES = 8192
"""Width of a shortened frame, the share of the energy that it must hold, and how many frames decide both."""


class CandidateConfig(FrozenConfig):
    """When candidates are chosen, and how many. The default is read off the curve of `benchmarks/candidates.py`."""

    from_segments: int = Field(default=50_000, ge=0, description="galleries below this size are scored whole")
    kept: int = Field(default=1000, ge=1, description="segments a text that get an exact score, at least")
    fraction: float = Field(default=0.01, ge=0, le=1, description="share of the gallery that gets one, at least")

    def count(self, segments: int, wanted: int = 0) -> int:
        """C for a gallery of this size of which the `wanted` best will be asked for; V: no choice is made."""
        if segments < self.from_segments:
            return segments
        return min(segments, max(self.kept, round(self.fraction * segments), 4 * wanted))


@runtime_checkable
class CandidateEngine(Protocol):
    """Finds the segments one of whose frames is near a text; columns are numbered in the order they were given."""

    def clear(self) -> None:
        """Forget everything."""

    def extend(self, frames: Float[Tensor, "V F D"]) -> None:
        """Append the frames of further columns."""

    def search(self, text: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        """The columns whose frames are nearest to each text, in any order; all where there are fewer."""


def require_engine(given: object) -> None:
    """Raise unless this finds candidates, or is None.

    Raises:
        UserError: it is something else.
    """
    step = "give one, or leave it out"
    expected = "what has clear, extend and search, such as coarse_grained.milvus.MilvusFrames"
    require_kind(given, CandidateEngine | None, "engine", expected, step)


class FrameCosines:
    """Every cosine, chunk by chunk, in this process.

    Frames are kept a second time as bytes, 1.5 kB a segment of 12 frames: where few directions hold nearly all of the
    frames, as in the towers that are in use, by their parts in these directions, else whole. The directions are those
    of a sample of the first block. Products of bytes are exact; rounding to them moves a cosine by less than 0.01.

    Args:
        directions: width of a shortened frame; 0 keeps frames whole.
        mean_weight: of the mean cosine of a segment's frames beside the largest.
    """

    def __init__(self, directions: int = DIRECTIONS, mean_weight: float = 1.0) -> None:
        self._directions, self._mean_weight = directions, mean_weight
        self._basis: Tensor | None = None
        self._blocks: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return sum(len(steps) for _, steps in self._blocks)

    @property
    def shortened(self) -> bool:
        """Whether frames are kept by their parts in few directions."""
        return self._basis is not None

    def clear(self) -> None:
        self._blocks = []

    def extend(self, frames: Float[Tensor, "V F D"]) -> None:
        if not self._blocks:
            self._basis = main_directions(frames, self._directions, HELD)
        width = frames.shape[2] if self._basis is None else self._basis.shape[1]
        held = torch.empty((*frames.shape[:2], width), dtype=torch.int8)
        steps = torch.empty(frames.shape[:2])
        for rows in _chunks(frames, ROUNDED_AT_ONCE):
            held[rows], steps[rows] = as_bytes(self._shorten(unit(frames[rows].float())))
        self._blocks.append((held, steps))

    def search(self, text: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        asked, steps = as_bytes(self._shorten(unit(text.float())).cpu())
        scores = torch.empty(len(text), len(self))
        start = 0
        for held, worth in self._blocks:
            for chunk in _chunks(held, torch.get_num_threads() * MULTIPLIED_AT_ONCE):
                own = scores[:, start : start + len(held[chunk])]
                with cores_for("choice", own.numel(), SHARED_SEGMENTS):
                    self._score(asked, held[chunk], worth[chunk], own)
                start += own.shape[1]
        scores *= steps.unsqueeze(1)
        return torch.topk(scores, min(count, scores.shape[1]), dim=1, sorted=False).indices

    def _shorten(self, rows: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows K"]:
        return rows if self._basis is None else rows @ self._basis.to(rows.device)

    def _score(
        self,
        asked: Int8[Tensor, "T K"],
        held: Int8[Tensor, "V F K"],
        steps: Float[Tensor, "V F"],
        scores: Float[Tensor, "T V"],
    ) -> None:
        """One text after another."""
        rows = held.flatten(0, 1)
        for row, one in zip(scores, asked.unsqueeze(2)):
            cosines = torch._int_mm(rows, one).view_as(steps) * steps
            torch.add(cosines.amax(dim=1), cosines.mean(dim=1), alpha=self._mean_weight, out=row)


def as_bytes(rows: Float[Tensor, "*rows K"]) -> tuple[Int8[Tensor, "*rows K"], Float[Tensor, "*rows"]]:
    """Rows as whole numbers in [-127, 127], and what one of them is worth in each row; 0 for a row of zeros."""
    steps = rows.abs().amax(dim=-1) / 127
    scaled = rows / torch.where(steps > 0, steps, torch.ones_like(steps)).unsqueeze(-1)
    return scaled.round_().to(torch.int8), steps


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


def _chunks(frames: Shaped[Tensor, "V F K"], numbers: int) -> Iterator[slice]:
    return blocks(len(frames), numbers // (frames.shape[1] * frames.shape[2]))


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
