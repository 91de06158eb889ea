"""Multi-head attention in parts, so that projected keys and values can be kept.

Axes: B batch, H heads, L query rows, T key rows, D width. Masks: True = may be attended to.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional


def split_heads(x: Float[Tensor, "B L D"], heads: int) -> Float[Tensor, "B H L d"]:
    """Give each head its share of the channels."""
    return rearrange(x, "b l (h d) -> b h l d", h=heads)


def attend(
    query: Float[Tensor, "B H L dk"],
    key: Float[Tensor, "B H T dk"],
    value: Float[Tensor, "B H T dv"],
    mask: Bool[Tensor, "#B #H #L T"] | None,
    dropout: float = 0.0,
) -> Float[Tensor, "B L D"]:
    """Scaled dot-product attention, heads joined again; the scale is 1 / sqrt(dk)."""
    attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return rearrange(attended, "b h l d -> b l (h d)")


def key_padding(mask: Bool[Tensor, "B T"]) -> Bool[Tensor, "B 1 1 T"]:
    """A mask over keys as `attend` takes it."""
    return mask[:, None, None, :]


class PackedAttention(nn.Module):
    """Attention with one packed input projection (rows: query, key, value), keys of `nn.MultiheadAttention`.

    Matrices start Xavier-uniform, biases at 0.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.width, self.heads, self.dropout = width, heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def project_query(self, x: Float[Tensor, "*B L D"]) -> Float[Tensor, "*B L D"]:
        return self._project(x, 0)

    def project_key(self, x: Float[Tensor, "*B T D"]) -> Float[Tensor, "*B T D"]:
        return self._project(x, 1)

    def project_value(self, x: Float[Tensor, "*B T D"]) -> Float[Tensor, "*B T D"]:
        return self._project(x, 2)

    def read(
        self,
        query: Float[Tensor, "B L D"],
        key: Float[Tensor, "B T D"],
        value: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "#B #H #L T"] | None,
    ) -> Float[Tensor, "B L D"]:
        """Attention over already projected rows, then the output projection."""
        q, k, v = (split_heads(x, self.heads) for x in (query, key, value))
        return self.out_proj(attend(q, k, v, mask, self.dropout if self.training else 0.0))  # type: ignore[no-any-return]

    def forward(
        self,
        query: Float[Tensor, "B L D"],
        key: Float[Tensor, "B T D"],
        value: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "#B #H #L T"] | None = None,
    ) -> Float[Tensor, "B L D"]:
        return self.read(self.project_query(query), self.project_key(key), self.project_value(value), mask)

    def _project(self, x: Tensor, part: int) -> Tensor:
        rows = slice(part * self.width, (part + 1) * self.width)
        return functional.linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])
