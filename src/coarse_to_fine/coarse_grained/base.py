"""The contract of a coarse model: a sentence against the frames of many segments.

Axes: T texts, V segments, F coarse frames, D embedding width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from coarse_to_fine.arguments import described
from coarse_to_fine.errors import DataError, UserError
from coarse_to_fine.model_folders import StoredModel

VideoCache = dict[str, Tensor]
"""Tensors that depend on the segments only; the first axis of each is V, so caches are joined by concatenation."""


class CoarseModel(StoredModel, ABC):
    """Scores every text against every segment; both are un-normalised embeddings of one encoder."""

    num_frames: int
    cheap: ClassVar[bool] = False
    """Whether scoring a whole gallery costs no more than choosing candidates in it."""

    @property
    def ranker(self) -> CoarseModel:
        """The model that scores a whole gallery: this one, or a cheaper one of which this one scores the best again."""
        return self

    @property
    def rescored(self) -> int:
        """Segments a text that this model scores again after its `ranker`; 0 where it ranks the gallery itself."""
        return 0

    @abstractmethod
    def video_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        """Everything of the score that depends on the segments only, computed once.

        Frames of a library are float16 and mapped from its files: widen them, and change them nowhere in place. A cache
        may lie on the device of the model.
        """

    @abstractmethod
    def score_cached(self, text: Float[Tensor, "T D"], cache: VideoCache, seed: int = 0) -> Float[Tensor, "T V"]:
        """Scores from a cache, float32, eval mode; equal to `score` to 1e-5. Deterministic for one seed, and the
        score of a pair does not depend on which other texts and segments are scored beside it."""

    def score_blocks(
        self, text: Float[Tensor, "T D"], caches: Iterable[VideoCache], seed: int = 0
    ) -> Float[Tensor, "T V"]:
        """`score_cached` of a gallery that is cached in blocks, at least one; what depends on the texts alone may be
        computed once for all of them."""
        return torch.cat(
            [checked_scores(self.score_cached(text, cache, seed), self.name, len(text)) for cache in caches], dim=1
        )

    def compact(self, cache: VideoCache) -> VideoCache:
        """A smaller cache for large galleries, where there is one; scores from it differ by less than 1e-4."""
        return cache

    def score_once(
        self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0
    ) -> Float[Tensor, "T V"]:
        """The same scores for segments that nothing was computed of before and that will not be asked for again."""
        return self.score_cached(text, self.video_cache(frames), seed)

    @abstractmethod
    def score(self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0) -> Float[Tensor, "T V"]:
        """The plain path, written as in the paper: nothing cached."""


def checked_scores(scores: object, name: str, texts: int, segments: int | None = None) -> Tensor:
    """The scores that a coarse model gave, which may be one of the caller's own.

    Args:
        scores: what it gave.
        name: of the model.
        texts, segments: T and V; None leaves V unchecked.

    Raises:
        UserError: no (T, V) tensor.
    """
    if isinstance(scores, Tensor) and scores.ndim == 2 and len(scores) == texts and segments in (None, scores.shape[1]):
        return scores
    raise UserError(
        f"`score_cached` of the coarse model {name!r} gave {described(scores)}; expected a tensor of shape "
        f"({texts}, {'V' if segments is None else segments}), a row a text and a column a segment; mend the model"
    )


def unit(x: Tensor) -> Tensor:
    """x / ||x|| on the last axis; a zero vector stays zero."""
    return functional.normalize(x, dim=-1, eps=torch.finfo(x.dtype).tiny)


def check_features(text: Tensor | None, frames: Tensor | None, num_frames: int | None, embed_dim: int | None) -> None:
    """Check what enters a coarse model; None leaves an argument or an axis unchecked.

    Raises:
        DataError: no tensor, or one of another shape than (T, D) or (V, F, D).
    """
    for given, name in ((text, "text embeddings"), (frames, "frame embeddings")):
        if given is not None and not isinstance(given, Tensor):
            raise DataError(f"{name} are {described(given)}; expected a tensor; encode with the encoder of the model")
    wanted_dim = "D" if embed_dim is None else str(embed_dim)
    if text is not None and (text.ndim != 2 or embed_dim not in (None, text.shape[1])):
        raise DataError(
            f"text embeddings have shape {tuple(text.shape)}, expected (T, {wanted_dim}); "
            "encode the sentences with the encoder that the model was trained for"
        )
    if frames is None:
        return
    frames_fit = frames.ndim == 3 and embed_dim in (None, frames.shape[2]) and num_frames in (None, frames.shape[1])
    if not frames_fit:
        wanted_frames = "F" if num_frames is None else str(num_frames)
        raise DataError(
            f"frame embeddings have shape {tuple(frames.shape)}, expected (V, {wanted_frames}, {wanted_dim}); "
            "extract them with the encoder and the number of coarse frames that the model was trained for"
        )


def blocks(length: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover 0 ... length in order."""
    size = max(1, size)
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
