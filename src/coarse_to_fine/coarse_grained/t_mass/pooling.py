"""Text-conditioned frame pooling: a video as one text sees it.

Axes: T texts, V videos, F frames, D width, H heads of C = D / H channels.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Of every layer norm."""


class FramePooling(nn.Module):
    """Cross-attention from a text to the frames of a video, without the query's residual.

    Initial values: the five weight matrices are the identity, their biases 0, layer norms 1 and 0.

    Source: Wang et al., CVPR 2024, section 3; the pooling is X-Pool's (Gorti et al., CVPR 2022).
    """

    def __init__(self, embed_dim: int, num_heads: int = 1) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_input = nn.LayerNorm(embed_dim, eps=EPSILON)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.norm_attended = nn.LayerNorm(embed_dim, eps=EPSILON)
        self.linear = nn.Linear(embed_dim, embed_dim)
        self.norm_pooled = nn.LayerNorm(embed_dim, eps=EPSILON)
        for layer in (self.query, self.key, self.value, self.output, self.linear):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"], dropout: float = 0.0
    ) -> Float[Tensor, "V T D"]:
        """Every video as every text sees it, not normalised; `dropout` draws from torch's global generator."""
        return self.project(self.attend(text, frames), dropout)

    def project(self, attended: Float[Tensor, "*pairs D"], dropout: float = 0.0) -> Float[Tensor, "*pairs D"]:
        """What follows the attention: a linear layer with a residual between two layer norms."""
        attended = self.norm_attended(attended)
        projected = functional.dropout(self.linear(attended), dropout, training=dropout > 0)
        pooled: Tensor = self.norm_pooled(attended + projected)
        return pooled

    def attend(self, text: Float[Tensor, "T D"], frames: Float[Tensor, "V F D"]) -> Float[Tensor, "V T D"]:
        """The attention alone: every video's frames mixed by how much each text asks for them."""
        text, frames = self.norm_input(text), self.norm_input(frames)  # one norm for both, as in the paper
        query = rearrange(self.query(text), "t (h c) -> h t c", h=self.num_heads)
        key = rearrange(self.key(frames), "v f (h c) -> v h c f", h=self.num_heads)
        value = rearrange(self.value(frames), "v f (h c) -> v h f c", h=self.num_heads)
        weights = torch.softmax(query @ key / math.sqrt(query.shape[-1]), dim=-1)  # (V, H, T, F)
        attended: Tensor = self.output(rearrange(weights @ value, "v h t c -> v t (h c)"))
        return attended
