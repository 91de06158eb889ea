"""The training-free coarse model: cosine of a sentence with the mean of a segment's unit frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache, check_features, unit
from coarse_to_fine.coarse_grained.mean_pool.config import MeanPoolConfig
from coarse_to_fine.errors import DataError


class MeanPool(CoarseModel):
    """cos(t, mean over frames of f / ||f||); no parameters, no randomness, any encoder, any number of frames."""

    name: ClassVar[str] = "mean-pool"
    training_free = True
    cheap: ClassVar[bool] = True
    config_class = MeanPoolConfig
    config: MeanPoolConfig

    def __init__(self, config: MeanPoolConfig | None = None) -> None:
        super().__init__()
        self.config = MeanPoolConfig() if config is None else self.checked_config(config)
        self.num_frames = self.config.num_frames

    @torch.no_grad()
    def video_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        check_features(None, frames, None, None)
        return {"mean": unit(unit(frames.float()).mean(dim=1))}

    def score_cached(self, text: Float[Tensor, "T D"], cache: VideoCache, seed: int = 0) -> Float[Tensor, "T V"]:
        return self.score_blocks(text, [cache], seed)

    @torch.no_grad()
    def score_blocks(
        self, text: Float[Tensor, "T D"], caches: Iterable[VideoCache], seed: int = 0
    ) -> Float[Tensor, "T V"]:
        check_features(text, None, None, None)
        asked = unit(text.float())
        return torch.cat([_cosines(asked, cache["mean"].float()) for cache in caches], dim=1)

    @torch.no_grad()
    def score(self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0) -> Float[Tensor, "T V"]:
        return self.score_cached(text, self.video_cache(frames), seed)


def _cosines(text: Float[Tensor, "T D"], mean: Float[Tensor, "V D"]) -> Float[Tensor, "T V"]:
    if text.shape[1] != mean.shape[1]:
        raise DataError(
            f"text embeddings have shape {tuple(text.shape)}, the segments {mean.shape[1]} channels; expected one "
            "width, encode the sentence with the encoder of the library"
        )
    return text.to(mean.device) @ mean.T
