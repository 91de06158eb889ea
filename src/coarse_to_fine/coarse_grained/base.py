"""The contract of a coarse model: a sentence against the frames of many segments.

Axes: T texts, V segments, F coarse frames, D embedding width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

VideoCache = dict[str, Tensor]
"""Tensors that depend on the segments only; the first axis of each is V, so caches are joined by concatenation."""


class CoarseModel(nn.Module, ABC):
    """Scores every text against every segment; both are un-normalised embeddings of one encoder."""

    name: ClassVar[str]
    num_frames: int

    @abstractmethod
    def video_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        """Everything of the score that depends on the segments only, computed once."""

    @abstractmethod
    def score_cached(self, text: Float[Tensor, "T D"], cache: VideoCache, seed: int = 0) -> Float[Tensor, "T V"]:
        """Scores from a cache, float32, eval mode; equal to `score` to 1e-5. Deterministic for one seed, and the
        score of a pair does not depend on which other texts and segments are scored beside it."""

    @abstractmethod
    def score(self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0) -> Float[Tensor, "T V"]:
        """The plain path, written as in the paper: nothing cached."""


def unit(x: Tensor) -> Tensor:
    """x / ||x|| on the last axis; a zero vector stays zero."""
    norm = x.norm(dim=-1, keepdim=True)
    return x / torch.where(norm > 0, norm, torch.ones_like(norm))
