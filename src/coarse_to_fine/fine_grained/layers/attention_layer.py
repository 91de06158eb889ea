"""What the layers of the encoders have in common: attention, a feed-forward branch, two norms; and a stack of them."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from coarse_to_fine.fine_grained.layers.attention import PackedAttention


class AttentionLayer(nn.Module):
    """The parts of a layer, under the names of the released checkpoints; each layer puts them together in its way."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = PackedAttention(width, heads, dropout)
        self.linear1 = nn.Linear(width, feed_forward)
        self.linear2 = nn.Linear(feed_forward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.activation = nn.PReLU()
        self.drop = nn.Dropout(dropout)


class LayerStack(nn.Module):
    """Layers of one class, one after another."""

    layer_class: ClassVar[type[AttentionLayer]]

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(self.layer_class(width, heads, feed_forward, dropout) for _ in range(layers))
