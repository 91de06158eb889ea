"""Self-attention layers over the global token and the clips.

Axes: B batch, H heads, S rows (global token first, then clips), D width. Masks: True = may be attended to.
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from coarse_to_fine.fine_grained.layers.attention_layer import AttentionLayer, LayerStack


class EncoderLayer(AttentionLayer):
    """x = LN1(x + Drop(MHA(x + p, x + p, x))); x <- LN2(x + Drop(W2 Drop(PReLU(W1 x))))."""

    def forward(
        self,
        x: Float[Tensor, "B S D"],
        position: Float[Tensor, "#B S D"],
        mask: Bool[Tensor, "#B #H #S S"] | None = None,
    ) -> Float[Tensor, "B S D"]:
        positioned = x + position
        x = self.norm1(x + self.drop(self.self_attn(positioned, positioned, x, mask)))
        hidden = self.drop(self.activation(self.linear1(x)))
        return self.norm2(x + self.drop(self.linear2(hidden)))  # type: ignore[no-any-return]


class Encoder(LayerStack):
    """A stack of encoder layers; positions are added again in each, there is no final norm."""

    layer_class = EncoderLayer

    def forward(
        self,
        x: Float[Tensor, "B S D"],
        position: Float[Tensor, "#B S D"],
        mask: Bool[Tensor, "#B #H #S S"] | None = None,
    ) -> Float[Tensor, "B S D"]:
        for layer in self.layers:
            x = layer(x, position, mask)
        return x
