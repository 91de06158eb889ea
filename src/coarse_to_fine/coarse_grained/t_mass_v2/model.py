"""T-MASS-V2: T-MASS ranks the gallery; of its best segments the random texts are aligned, then scored again.

Axes: T texts, V videos, N pairs, F frames, D width, S trials, L layers.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache, blocks, check_features, unit
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.stochastic import frame_cosines, stochastic_text
from coarse_to_fine.coarse_grained.t_mass_v2.alignment import SampleAlignment
from coarse_to_fine.coarse_grained.t_mass_v2.config import TMassV2Config
from coarse_to_fine.recipes import Recipe

BLOCK_FLOATS = 2**20
"""V * T * S * D of one block."""
TEXTS_AT_ONCE = 16


class TMassV2(CoarseModel):
    """A T-MASS head and the alignment of its samples.

    Initial values: `t_mass` as a new T-MASS head, or one that is loaded; `alignment` is the identity, so the scores
    are those of T-MASS exactly. `score` is that of every pair; a search lets `ranker` score the gallery and only
    `rescored` segments a text be scored by it.
    """

    name: ClassVar[str] = "t-mass-v2"
    config_class = TMassV2Config
    config: TMassV2Config

    @classmethod
    def recipe_class(cls) -> type[Recipe]:
        from coarse_to_fine.coarse_grained.t_mass_v2.training import TMassV2Recipe

        return TMassV2Recipe

    def __init__(self, config: TMassV2Config) -> None:
        super().__init__()
        self.config = self.checked_config(config)
        self.num_frames = config.num_frames
        self.t_mass = TMass(config.t_mass)
        self.alignment = SampleAlignment(
            config.embed_dim, config.num_frames, config.align_layers, config.align_heads, config.frame_positions
        )

    @property
    def ranker(self) -> TMass:
        return self.t_mass

    @property
    def rescored(self) -> int:
        return self.config.rescored

    def forward(
        self,
        text: Float[Tensor, "T D"],
        frames: Float[Tensor, "V F D"],
        noise: Float[Tensor, "T S D"],
        frozen: bool = False,
    ) -> Float[Tensor, "T V S"]:
        """Cosine of every aligned sample of every pair, each with the radius of its own pair.

        Args:
            text, frames: embeddings as the encoder gives them.
            noise: of each text, the same for all videos.
            frozen: compute T-MASS without gradients; the alignment alone learns.
        """
        self._check(text, frames)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            pooled = self.t_mass.pooling(text, frames)
            radius = self.t_mass.radius(frame_cosines(text, frames))
        samples = stochastic_text(text.unsqueeze(1), radius.unsqueeze(2), noise)  # (V, T, S, D)
        dropout = self.config.align_dropout if self.training else 0.0
        samples = self.alignment(samples, self.alignment.keys_values(frames), dropout)
        return sample_cosines(samples, pooled).transpose(0, 1)

    @torch.no_grad()
    def score(self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0) -> Float[Tensor, "T V"]:
        self._check(text, frames)
        return self._scores(text, frames, None, seed)

    @torch.no_grad()
    def video_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        self._check(None, frames)
        return {"frames": frames, "keys_values": self.alignment.keys_values(frames.to(self.device, torch.float32))}

    @torch.no_grad()
    def score_cached(self, text: Float[Tensor, "T D"], cache: VideoCache, seed: int = 0) -> Float[Tensor, "T V"]:
        self._check(text, None)
        return self._scores(text, cache["frames"], cache["keys_values"], seed)

    @property
    def device(self) -> torch.device:
        return self.t_mass.device

    def _scores(
        self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], keys_values: Tensor | None, seed: int
    ) -> Float[Tensor, "T V"]:
        """Scores of all pairs, block by block; without keys and values of the frames they are computed."""
        text, noise = text.to(self.device).float(), self.t_mass.noise_bank(seed)
        scores = text.new_empty(len(text), len(frames))
        for rows in blocks(len(text), TEXTS_AT_ONCE):
            for part in blocks(len(frames), BLOCK_FLOATS // max(1, text[rows].numel() * len(noise))):
                block = frames[part].to(self.device, torch.float32)
                known = self.alignment.keys_values(block) if keys_values is None else keys_values[part]
                scores[rows, part] = self._score_block(text[rows], block, known.to(self.device), noise)
        return scores

    def _score_block(self, text: Tensor, frames: Tensor, keys_values: Tensor, noise: Tensor) -> Float[Tensor, "T V"]:
        pooled = self.t_mass.pooling(text, frames)
        radius = self.t_mass.radius(frame_cosines(text, frames))
        samples = stochastic_text(text.unsqueeze(1), radius.unsqueeze(2), noise)
        return sample_cosines(self.alignment(samples, keys_values), pooled).amax(dim=-1).T

    def _check(self, text: Tensor | None, frames: Tensor | None) -> None:
        check_features(text, frames, self.config.num_frames, self.config.embed_dim)


def sample_cosines(samples: Float[Tensor, "V T S D"], pooled: Float[Tensor, "V T D"]) -> Float[Tensor, "V T S"]:
    """Cosine of every sample of a pair with the pair's video as its text sees it."""
    return (unit(samples) * unit(pooled).unsqueeze(2)).sum(dim=-1)
