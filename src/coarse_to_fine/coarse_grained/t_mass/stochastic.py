"""The text as a random region: the radius of a pair, the noise, and the best of several random texts.

Axes: T texts, V videos, N pairs, F frames, D width, S trials.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coarse_to_fine.coarse_grained.base import unit


class Radius(nn.Module):
    """R = exp(W c + b) from the cosines c of a text with the F frames of a video, in the order of time.

    Initial values: the weight is a rectangular identity, the bias 0. The paper calls W c + b a log-variance, but its
    exponential is used as the scale itself, without a limit. Gradients reach text and frames through c.
    """

    def __init__(self, num_frames: int, embed_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_frames, embed_dim)
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, cosines: Float[Tensor, "*pairs F"]) -> Float[Tensor, "*pairs D"]:
        """Radius of each pair, positive."""
        return torch.exp(self.log_radius(cosines))

    def log_radius(self, cosines: Float[Tensor, "*pairs F"]) -> Float[Tensor, "*pairs D"]:
        log: Tensor = self.linear(cosines)
        return log


def frame_cosines(text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V T F"]:
    """Cosine of every text with every frame of every video."""
    return unit(text) @ unit(frames).transpose(1, 2)


def paired_frame_cosines(text: Float[Tensor, "N D"], frames: Float[Tensor, "N F D"]) -> Float[Tensor, "N F"]:
    """Cosine of text i with every frame of video i."""
    return (unit(frames) @ unit(text).unsqueeze(-1)).squeeze(-1)


def stochastic_text(
    text: Float[Tensor, "*a D"], radius: Float[Tensor, "*b D"], noise: Float[Tensor, "*c D"]
) -> Float[Tensor, "*d D"]:
    """t + noise ⊙ R, not normalised. Uniform noise is not centred: its mean is t + R / 2, as in the release."""
    return text + noise * radius


def support_text(
    text: Float[Tensor, "N D"], pooled: Float[Tensor, "N N D"], radius: Float[Tensor, "N D"]
) -> Float[Tensor, "N D"]:
    """The point of the region of text i that lies towards video i, the video averaged over all texts of the batch."""
    return text + unit(pooled.mean(dim=1) - text) * radius


def draw_noise(
    shape: tuple[int, ...], prior: Literal["uniform01", "normal"], prior_std: float, generator: torch.Generator
) -> Tensor:
    """Noise on the generator's device: uniform in [0, 1), or normal with standard deviation `prior_std`."""
    if prior == "uniform01":
        return torch.rand(shape, generator=generator, device=generator.device)
    return torch.randn(shape, generator=generator, device=generator.device) * prior_std


def trial_cosines(
    text: Float[Tensor, "T D"],
    pooled: Float[Tensor, "V T D"],
    radius: Float[Tensor, "V T D"],
    noise: Float[Tensor, "S *VT D"],
) -> Float[Tensor, "S V T"]:
    """Cosine of each random text with each pooled video; one trial at a time, so memory is that of `pooled`.

    `noise` is one bank (S, D) for all pairs or has numbers of its own for each pair, (S, V, T, D).
    """
    target = unit(pooled)
    return torch.stack([(unit(stochastic_text(text, radius, trial)) * target).sum(dim=-1) for trial in noise])
