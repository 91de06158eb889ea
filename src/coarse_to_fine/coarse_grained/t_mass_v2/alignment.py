"""The alignment of random texts: the samples of one pair attend to each other and to the frames of the candidate.

Axes: T texts, V videos, F frames, S samples of a pair, L layers, D width, H heads of C = D / H channels.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Of every layer norm."""


class AlignmentLayer(nn.Module):
    """Three pre-norm branches with residuals: samples to samples, samples to frames, and an MLP of width 4 D.

    Initial values: the last linear layer of each branch is zero, so a new layer changes nothing; the others have
    torch's values. No position is added to the samples: they are a set, and so is what comes out.
    """

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self = nn.LayerNorm(embed_dim, eps=EPSILON)
        self.self_input = nn.Linear(embed_dim, 3 * embed_dim)
        self.self_output = nn.Linear(embed_dim, embed_dim)
        self.norm_cross = nn.LayerNorm(embed_dim, eps=EPSILON)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.norm_frames = nn.LayerNorm(embed_dim, eps=EPSILON)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.cross_output = nn.Linear(embed_dim, embed_dim)
        self.norm_mlp = nn.LayerNorm(embed_dim, eps=EPSILON)
        self.mlp_input = nn.Linear(embed_dim, 4 * embed_dim)
        self.mlp_output = nn.Linear(4 * embed_dim, embed_dim)
        for layer in (self.self_output, self.cross_output, self.mlp_output):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def keys_values(self, frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V F E"]:
        """Keys and values of the frames beside each other, E = 2 D; they do not depend on a text."""
        both: Tensor = self.key_value(self.norm_frames(frames))
        return both

    def forward(
        self, samples: Float[Tensor, "V T S D"], keys_values: Float[Tensor, "V F E"], dropout: float = 0.0
    ) -> Float[Tensor, "V T S D"]:
        """The samples after one layer; `dropout` draws from torch's global generator."""
        for branch in (self._among_samples, lambda x: self._to_frames(x, keys_values), self._mlp):
            samples = samples + functional.dropout(branch(samples), dropout, training=dropout > 0)
        return samples

    def _among_samples(self, samples: Float[Tensor, "V T S D"]) -> Float[Tensor, "V T S D"]:
        inputs = self.self_input(self.norm_self(samples))
        query, key, value = rearrange(inputs, "v t s (three h c) -> three (v t) h s c", three=3, h=self.heads)
        attended = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.self_output(rearrange(attended, "(v t) h s c -> v t s (h c)", v=len(samples)))
        return mixed

    def _to_frames(
        self, samples: Float[Tensor, "V T S D"], keys_values: Float[Tensor, "V F E"]
    ) -> Float[Tensor, "V T S D"]:
        texts = samples.shape[1]
        query = rearrange(self.query(self.norm_cross(samples)), "v t s (h c) -> v h (t s) c", h=self.heads)
        key, value = rearrange(keys_values, "v f (two h c) -> two v h f c", two=2, h=self.heads)
        attended = functional.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.cross_output(rearrange(attended, "v h (t s) c -> v t s (h c)", t=texts))
        return mixed

    def _mlp(self, samples: Float[Tensor, "V T S D"]) -> Float[Tensor, "V T S D"]:
        inner: Tensor = self.mlp_output(functional.gelu(self.mlp_input(self.norm_mlp(samples))))
        return inner


class SampleAlignment(nn.Module):
    """L layers; at its initial values the identity."""

    def __init__(
        self, embed_dim: int, num_frames: int, layers: int = 2, heads: int = 8, positions: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AlignmentLayer(embed_dim, heads) for _ in range(layers))
        self.positions = nn.Parameter(torch.zeros(num_frames, embed_dim)) if positions else None

    def keys_values(self, frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V L F E"]:
        """What all layers need of the frames, E = 2 D."""
        seen = frames if self.positions is None else frames + self.positions
        return torch.stack([layer.keys_values(seen) for layer in self._layers()], dim=1)

    def forward(
        self, samples: Float[Tensor, "V T S D"], keys_values: Float[Tensor, "V L F E"], dropout: float = 0.0
    ) -> Float[Tensor, "V T S D"]:
        """The random texts of every pair, aligned with each other and with the frames of the pair's video."""
        for number, layer in enumerate(self._layers()):
            samples = layer(samples, keys_values[:, number], dropout)
        return samples

    def _layers(self) -> list[AlignmentLayer]:
        return [layer for layer in self.layers if isinstance(layer, AlignmentLayer)]
