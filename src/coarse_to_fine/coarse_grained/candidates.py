"""The first choice in a large gallery: of all segments those that are worth an exact score.

A candidate engine holds one unit vector a segment (`CoarseModel.sketch`) and finds the largest products with the vector
of a text. The exact pass in this process is the default; an engine of its own kind stands in by the same three methods.

Axes: T texts, V segments, C candidates, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from coarse_to_fine.coarse_grained.base import blocks

CHUNK = 2**15
"""Segments multiplied at once."""


class CandidateConfig(BaseModel):
    """When candidates are chosen, and how many. The default is read off the curve of `benchmarks/candidates.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_segments: int = Field(default=50_000, ge=0, description="galleries below this size are scored whole")
    kept: int = Field(default=2000, ge=1, description="segments a text that get an exact score, at least")
    fraction: float = Field(default=0.02, ge=0, le=1, description="share of the gallery that gets one, at least")

    def count(self, segments: int, wanted: int = 0) -> int:
        """C for a gallery of this size of which the `wanted` best will be asked for; V: no choice is made."""
        if segments < self.from_segments:
            return segments
        return min(segments, max(self.kept, round(self.fraction * segments), 4 * wanted))


class CandidateEngine(Protocol):
    """Finds the largest inner products; columns are numbered in the order in which they were given."""

    def clear(self) -> None:
        """Forget everything."""

    def extend(self, vectors: Float[Tensor, "V D"]) -> None:
        """Append the unit vectors of further columns."""

    def search(self, vectors: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        """The columns of the largest products with each vector, in any order; all of them where there are fewer."""


class ExactProducts:
    """Every product, chunk by chunk; vectors are held in bfloat16, half their memory and the fastest product here."""

    def __init__(self, dtype: torch.dtype = torch.bfloat16) -> None:
        self._dtype = dtype
        self._parts: list[Tensor] = []

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def clear(self) -> None:
        self._parts = []

    def extend(self, vectors: Float[Tensor, "V D"]) -> None:
        self._parts += [vectors[part].to(self._dtype).contiguous() for part in blocks(len(vectors), CHUNK)]

    def search(self, vectors: Float[Tensor, "T D"], count: int) -> Int[Tensor, "T C"]:
        asked = vectors.to(self._dtype)
        products = torch.cat([asked @ part.to(asked.device).T for part in self._parts], dim=1)
        kept = min(count, products.shape[1])
        return torch.topk(products, kept, dim=1, sorted=False).indices


class Candidates:
    """A candidate engine that follows the blocks of a gallery; blocks that only came at the end are appended."""

    def __init__(self, engine: CandidateEngine, config: CandidateConfig) -> None:
        self.engine, self.config = engine, config
        self._held: list[Tensor] = []

    def hold(
        self,
        frames: Sequence[Float[Tensor, "V F D"]],
        sketch: Callable[[Float[Tensor, "V F D"]], Float[Tensor, "V D"]],
    ) -> None:
        """Bring the engine to these blocks."""
        known = len(self._held)
        if known > len(frames) or any(old is not new for old, new in zip(self._held, frames)):
            self.engine.clear()
            known = 0
        for block in frames[known:]:
            for part in blocks(len(block), CHUNK):
                self.engine.extend(sketch(block[part]))
        self._held = list(frames)
