"""T-MASS: each sentence is a random region around its embedding, each video is pooled as the sentence sees it.

Axes: T texts, V videos, N pairs, F frames, D width, S trials. Source: Wang et al., "Text Is MASS", CVPR 2024.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coarse_to_fine.coarse_grained.base import CoarseModel, VideoCache, blocks, check_features, unit
from coarse_to_fine.coarse_grained.t_mass import cached, cached_scores
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.pooling import FramePooling
from coarse_to_fine.coarse_grained.t_mass.stochastic import (
    Radius,
    draw_noise,
    frame_cosines,
    paired_frame_cosines,
    stochastic_text,
    support_text,
    trial_cosines,
)
from coarse_to_fine.coarse_grained.t_mass.unprepared import score_unprepared
from coarse_to_fine.recipes import Recipe

MAX_LOGIT_SCALE = math.log(100.0)
INITIAL_LOGIT_SCALE = math.log(1 / 0.07)
PLAIN_BLOCK_FLOATS = 2**24
"""Largest V * T * D of one block of the plain path."""


class TMassBatch(NamedTuple):
    """What the loss needs of N pairs; text i belongs to video i.

    Attributes:
        pooled: (N videos, N texts, D), not normalised.
        log_radius: (N, D) of the true pairs.
        stochastic: (N, D) random texts, not normalised.
        support: (N, D) support texts, not normalised.
        stochastic_similarity: (N texts, N videos) cosine of random text i with video j as text i sees it.
        support_similarity: (N texts, N videos) the same with the support texts.
    """

    pooled: Tensor
    log_radius: Tensor
    stochastic: Tensor
    support: Tensor
    stochastic_similarity: Tensor
    support_similarity: Tensor


class TMass(CoarseModel):
    """The head on top of an encoder: frame pooling, radius, and the temperature of the loss.

    A score is the largest cosine over S random texts, each candidate pooled by the query. One noise bank per seed
    serves all pairs, so a pair's score does not depend on the others and a rank is reproducible.
    """

    name: ClassVar[str] = "t-mass"
    config_class = TMassConfig
    config: TMassConfig

    @classmethod
    def recipe_class(cls) -> type[Recipe]:
        from coarse_to_fine.coarse_grained.t_mass.training import TMassRecipe

        return TMassRecipe

    def __init__(self, config: TMassConfig) -> None:
        super().__init__()
        self.config = self.checked_config(config)
        self.num_frames = config.num_frames
        self.pooling = FramePooling(config.embed_dim, config.num_heads)
        self.radius = Radius(config.num_frames, config.embed_dim)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self._folded: tuple[list[tuple[int, int]], cached.Folded] | None = None
        self._noise: tuple[tuple[int, torch.device], Tensor] | None = None
        self._scaled: tuple[Tensor, cached.Folded, cached.ScaledNoise] | None = None

    def forward(
        self, text: Float[Tensor, "N D"], frames: Float[Tensor, "N F D"], noise: Float[Tensor, "N D"]
    ) -> TMassBatch:
        """Similarities of all pairs of a batch for the loss; the radius of text i always comes from its own video."""
        self._check(text, frames)
        pooled = self.pooling(text, frames, self.config.dropout if self.training else 0.0)  # (N, N, D)
        log_radius = self.radius.log_radius(paired_frame_cosines(text, frames))
        radius = torch.exp(log_radius)
        stochastic = stochastic_text(text, radius, noise)
        support = support_text(text, pooled, radius)
        return TMassBatch(
            pooled,
            log_radius,
            stochastic,
            support,
            paired_similarity(stochastic, pooled),
            paired_similarity(support, pooled),
        )

    @torch.no_grad()
    def score(self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0) -> Float[Tensor, "T V"]:
        self._check(text, frames)
        text = text.to(self.device).float()
        noise = self.noise_bank(seed)
        scores = text.new_empty(len(text), len(frames))
        for part in blocks(len(frames), PLAIN_BLOCK_FLOATS // max(1, text.numel())):
            block = frames[part].to(self.device, torch.float32)
            pooled = self.pooling(text, block)
            radius = self.radius(frame_cosines(text, block))
            scores[:, part] = trial_cosines(text, pooled, radius, noise).amax(dim=0).T
        return scores

    @torch.no_grad()
    def video_cache(self, frames: Float[Tensor, "V F D"]) -> VideoCache:
        self._check(None, frames)
        if self.config.num_heads > 1:  # the folded form holds for one head; more heads take the plain path
            return {"frames": frames}
        return cached.video_cache(self.pooling, frames)

    def score_cached(self, text: Float[Tensor, "T D"], cache: VideoCache, seed: int = 0) -> Float[Tensor, "T V"]:
        return self.score_blocks(text, [cache], seed)

    @torch.no_grad()
    def score_blocks(
        self, text: Float[Tensor, "T D"], caches: Iterable[VideoCache], seed: int = 0
    ) -> Float[Tensor, "T V"]:
        if self.config.num_heads > 1:
            return torch.cat([self.score(text, cache["frames"], seed) for cache in caches], dim=1)
        self._check(text, None)
        with torch.inference_mode():
            text = text.to(self.device).float()
            known = [self._constants(text[rows], seed) for rows in blocks(len(text), cached_scores.TEXTS_AT_ONCE)]
            scores = cached_scores.score(known, text, caches)
        return scores.clone()

    def compact(self, cache: VideoCache) -> VideoCache:
        return {name: value.half() if name == "mixed" else value for name, value in cache.items()}

    @torch.no_grad()
    def score_once(
        self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], seed: int = 0
    ) -> Float[Tensor, "T V"]:
        if self.config.num_heads > 1:
            return self.score(text, frames, seed)
        self._check(text, frames)
        with torch.inference_mode():
            known = [self._constants(one.unsqueeze(0), seed) for one in text.to(self.device).float()]
            scores = score_unprepared(self.pooling, known, frames)
        return scores.clone()

    def noise_bank(self, seed: int) -> Float[Tensor, "S D"]:
        """The noise of all pairs for one seed, drawn on the CPU, so that it is the same on every device; that of the
        last seed is kept, so do not write into it."""
        if self._noise is None or self._noise[0] != (seed, self.device):
            shape = (self.config.trials, self.config.embed_dim)
            generator = torch.Generator().manual_seed(int(seed))  # one of numpy is none of PyTorch's
            with torch.inference_mode(False):  # training uses it too
                noise = draw_noise(shape, self.config.prior, self.config.prior_std, generator).to(self.device)
            self._noise = (seed, self.device), noise
        return self._noise[1]

    def _constants(self, text: Float[Tensor, "T D"], seed: int) -> cached.Constants:
        weights, noise = self._folded_weights(), self.noise_bank(seed)
        if self._scaled is None or self._scaled[0] is not noise or self._scaled[1] is not weights:
            self._scaled = noise, weights, cached.ScaledNoise.of(noise, weights)
        return cached.constants(weights, self._scaled[2], text)

    def _folded_weights(self) -> cached.Folded:
        """Folded once, and again when a weight has been changed or replaced."""
        state = weights_state(self)
        if self._folded is None or self._folded[0] != state:
            self._folded = state, cached.folded(self.pooling, self.radius)
        return self._folded[1]

    @torch.no_grad()
    def limit_logit_scale(self) -> None:
        """Keep the temperature at 100 or below; called after each step of training."""
        self.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    @property
    def device(self) -> torch.device:
        return self.logit_scale.device

    def _check(self, text: Tensor | None, frames: Tensor | None) -> None:
        check_features(text, frames, self.config.num_frames, self.config.embed_dim)


def weights_state(module: nn.Module) -> list[tuple[int, int]]:
    """Where each weight of a module lies and how often it was written to; differs when one was changed or replaced.

    A fifth of the time of `module.parameters()`, which looks for weights that lie in two modules.
    """
    state = [(weight.data_ptr(), weight._version) for weight in module._parameters.values() if weight is not None]
    for child in module._modules.values():
        state += weights_state(child) if child is not None else []
    return state


def paired_similarity(text: Float[Tensor, "T D"], pooled: Float[Tensor, "V T D"]) -> Float[Tensor, "T V"]:
    """Cosine of text i with every video as text i sees it."""
    return (unit(pooled) * unit(text)).sum(dim=-1).T
