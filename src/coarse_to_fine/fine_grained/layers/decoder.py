"""The decoder with one-dimensional dynamic anchors (DAB-DETR): queries are (centre, width) spans that are refined.

Axes: B batch, Q moment queries, L clips, D width, H heads, N decoder layers. Masks: True = real clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from coarse_to_fine.fine_grained.layers.attention import attend, key_padding, split_heads
from coarse_to_fine.fine_grained.layers.positions import inverse_sigmoid, reference_code
from coarse_to_fine.fine_grained.layers.projection import Perceptron


class OutputProjection(nn.Module):
    """The only matrix that the decoder's attentions own; the other projections belong to the layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.bias)


class QuerySide(NamedTuple):
    """What a decoder layer knows before it looks at the video."""

    content: Tensor
    """(B, Q, D) queries after self-attention."""
    query: Tensor
    """(B, H, Q, 2D/H) query vectors of the cross-attention."""


class DecoderOutput(NamedTuple):
    """Hidden states after the shared norm, and the spans that ENTER each layer."""

    hidden: Tensor
    """(N, B, Q, D)"""
    references: Tensor
    """(N, B, Q, 2)"""


class DecoderLayer(nn.Module):
    """Self-attention of the queries, cross-attention of double width to the clips, feed-forward; post-norm."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float, is_first: bool) -> None:
        super().__init__()
        self.heads, self.dropout, self.is_first = heads, dropout, is_first
        self.sa_qcontent_proj = nn.Linear(width, width)
        self.sa_qpos_proj = nn.Linear(width, width)
        self.sa_kcontent_proj = nn.Linear(width, width)
        self.sa_kpos_proj = nn.Linear(width, width)
        self.sa_v_proj = nn.Linear(width, width)
        self.self_attn = OutputProjection(width)
        self.norm1 = nn.LayerNorm(width)
        self.ca_qcontent_proj = nn.Linear(width, width)
        if is_first:
            self.ca_qpos_proj = nn.Linear(width, width)
        self.ca_kcontent_proj = nn.Linear(width, width)
        self.ca_kpos_proj = nn.Linear(width, width)
        self.ca_v_proj = nn.Linear(width, width)
        self.ca_qpos_sine_proj = nn.Linear(width, width)
        self.cross_attn = OutputProjection(width)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, feed_forward)
        self.linear2 = nn.Linear(feed_forward, width)
        self.norm3 = nn.LayerNorm(width)
        self.activation = nn.PReLU()
        self.drop = nn.Dropout(dropout)

    def query_side(
        self,
        x: Float[Tensor, "B Q D"],
        query_position: Float[Tensor, "B Q D"],
        query_sine: Float[Tensor, "B Q D"],
    ) -> QuerySide:
        """Everything up to the query vectors of the cross-attention."""
        query = self.sa_qcontent_proj(x) + self.sa_qpos_proj(query_position)
        key = self.sa_kcontent_proj(x) + self.sa_kpos_proj(query_position)
        q, k, v = (split_heads(part, self.heads) for part in (query, key, self.sa_v_proj(x)))
        x = self.norm1(x + self.drop(self.self_attn.out_proj(attend(q, k, v, None, self._attention_dropout()))))
        content = self.ca_qcontent_proj(x)
        if self.is_first:
            content = content + self.ca_qpos_proj(query_position)
        return QuerySide(x, self._side_by_side(content, self.ca_qpos_sine_proj(query_sine)))

    def read(
        self,
        side: QuerySide,
        memory: Float[Tensor, "B L D"],
        key_position: Float[Tensor, "B L D"],
        memory_mask: Bool[Tensor, "B L"],
    ) -> Float[Tensor, "B Q D"]:
        """The cross-attention and the feed-forward; `key_position` is already projected by `ca_kpos_proj`."""
        key = self.ca_kcontent_proj(memory)
        if self.is_first:
            key = key + key_position
        value = split_heads(self.ca_v_proj(memory), self.heads)
        keys, mask = self._side_by_side(key, key_position), key_padding(memory_mask)
        attended = attend(side.query, keys, value, mask, self._attention_dropout())
        x = self.norm2(side.content + self.drop(self.cross_attn.out_proj(attended)))
        hidden = self.drop(self.activation(self.linear1(x)))
        return self.norm3(x + self.drop(self.linear2(hidden)))  # type: ignore[no-any-return]

    def forward(
        self,
        x: Float[Tensor, "B Q D"],
        query_position: Float[Tensor, "B Q D"],
        query_sine: Float[Tensor, "B Q D"],
        memory: Float[Tensor, "B L D"],
        memory_position: Float[Tensor, "B L D"],
        memory_mask: Bool[Tensor, "B L"],
    ) -> Float[Tensor, "B Q D"]:
        side = self.query_side(x, query_position, query_sine)
        return self.read(side, memory, self.ca_kpos_proj(memory_position), memory_mask)

    def _side_by_side(self, content: Tensor, position: Tensor) -> Tensor:
        """[content_h ; position_h] for each head h."""
        return torch.cat([split_heads(content, self.heads), split_heads(position, self.heads)], dim=-1)

    def _attention_dropout(self) -> float:
        return self.dropout if self.training else 0.0


class AnchorDecoder(nn.Module):
    """Decoder layers with the heads that make positions from anchors and refine the anchors.

    Args:
        min_width: lower bound of the anchor width where it divides; None (the releases) leaves it free.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feed_forward: int,
        dropout: float,
        layers: int,
        min_width: float | None = None,
    ) -> None:
        super().__init__()
        self.width, self.min_width = width, min_width
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, feed_forward, dropout, is_first=i == 0) for i in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.query_scale = Perceptron(width, width, width)
        self.ref_point_head = Perceptron(width, width, width)
        self.bbox_embed = Perceptron(width, width, width, 2)
        self.ref_anchor_head = Perceptron(width, width, 1)
        nn.init.zeros_(self.bbox_embed.layers[-1].bias)  # type: ignore[arg-type]

    def forward(
        self,
        anchors: Float[Tensor, "B Q 2"],
        memory: Float[Tensor, "B L D"],
        memory_position: Float[Tensor, "B L D"],
        memory_mask: Bool[Tensor, "B L"],
    ) -> DecoderOutput:
        """Decode from `anchors`, spans before the sigmoid."""
        reference = anchors.sigmoid()
        return self.run(reference, self.first_side(reference), memory, self.key_positions(memory_position), memory_mask)

    def first_side(self, reference: Float[Tensor, "B Q 2"]) -> QuerySide:
        """Query side of the first layer: its queries are 0, so in eval mode it depends on the weights only."""
        return self._query_side(0, reference.new_zeros(*reference.shape[:-1], self.width), reference)

    def key_positions(self, memory_position: Float[Tensor, "*B L D"]) -> list[Tensor]:
        """Projected clip positions of each layer; they depend on the number of clips only."""
        return [layer.ca_kpos_proj(memory_position) for layer in self._typed()]

    def run(
        self,
        reference: Float[Tensor, "B Q 2"],
        side: QuerySide,
        memory: Float[Tensor, "B L D"],
        key_positions: Sequence[Tensor],
        memory_mask: Bool[Tensor, "B L"],
    ) -> DecoderOutput:
        """All layers, given the parts that can be computed ahead."""
        hidden, references = [], [reference]
        layers = self._typed()
        for index, layer in enumerate(layers):
            x = layer.read(side, memory, key_positions[index], memory_mask)
            hidden.append(self.norm(x))
            if index + 1 < len(layers):
                refined = (self.bbox_embed(x) + inverse_sigmoid(reference)).sigmoid()
                references.append(refined)  # the heads see its gradient, the next layer does not
                reference = refined.detach()
                side = self._query_side(index + 1, x, reference)
        return DecoderOutput(torch.stack(hidden), torch.stack(references))

    def _query_side(self, index: int, x: Tensor, reference: Tensor) -> QuerySide:
        sine = reference_code(reference, self.width)
        query_position = self.ref_point_head(sine)
        if index > 0:
            sine = sine * self.query_scale(x)
        width = reference[..., 1:]
        if self.min_width is not None:
            width = width.clamp(min=self.min_width)
        sine = sine * self.ref_anchor_head(x).sigmoid() / width
        return self._typed()[index].query_side(x, query_position, sine)

    def _typed(self) -> list[DecoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, DecoderLayer)]
