"""Cross-attention layers by which one sequence (clips) reads another (words); the first half of QD-DETR and MESM.

Axes: B batch, H heads, L query rows (clips), T key rows (words), D width. Masks: True = real.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from coarse_to_fine.fine_grained.layers.attention_layer import AttentionLayer, LayerStack

KeyValue = tuple[Tensor, Tensor]
"""Projected keys and values of one layer, each (B, T, D)."""


class TextToVideoLayer(AttentionLayer):
    """u = x + Drop(MHA(x + p, t, t)); x <- LN2(u + Drop(W2 Drop(PReLU(W1 LN1(u))))).

    LN1 stands inside the feed-forward branch only: the residual u is not normalised. There is no self-attention.
    """

    def key_value(self, keys: Float[Tensor, "B T D"], key_position: Float[Tensor, "#B T D"] | None) -> KeyValue:
        """What the layer needs of the words; they never change, so it is computed once a sentence."""
        positioned = keys if key_position is None else keys + key_position
        return self.self_attn.project_key(positioned), self.self_attn.project_value(keys)

    def read(
        self,
        x: Float[Tensor, "B L D"],
        query: Float[Tensor, "B L D"],
        key_value: KeyValue,
        mask: Bool[Tensor, "#B #H #L T"] | None,
    ) -> Float[Tensor, "B L D"]:
        """The layer from projected queries, keys and values on."""
        read = x + self.drop(self.self_attn.read(query, *key_value, mask))
        return self.norm2(read + self.drop(self.feed_forward(read)))  # type: ignore[no-any-return]

    def feed_forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        return self.linear2(self.drop(self.activation(self.linear1(self.norm1(x)))))  # type: ignore[no-any-return]

    def forward(
        self,
        x: Float[Tensor, "B L D"],
        position: Float[Tensor, "#B L D"] | None,
        keys: Float[Tensor, "B T D"],
        key_position: Float[Tensor, "#B T D"] | None = None,
        mask: Bool[Tensor, "#B #H #L T"] | None = None,
    ) -> Float[Tensor, "B L D"]:
        positioned = x if position is None else x + position
        return self.read(x, self.self_attn.project_query(positioned), self.key_value(keys, key_position), mask)


class TextToVideoEncoder(LayerStack):
    """A stack of text-to-video layers; the keys are the same for all, there is no final norm."""

    layer_class = TextToVideoLayer

    def key_values(
        self, keys: Float[Tensor, "B T D"], key_position: Float[Tensor, "#B T D"] | None = None
    ) -> list[KeyValue]:
        """Projected keys and values of every layer."""
        return [layer.key_value(keys, key_position) for layer in self.typed_layers()]

    def read(
        self,
        x: Float[Tensor, "B L D"],
        position: Float[Tensor, "#B L D"] | None,
        key_values: Sequence[KeyValue],
        mask: Bool[Tensor, "#B #H #L T"] | None,
        first_query: Float[Tensor, "B L D"] | None = None,
    ) -> Float[Tensor, "B L D"]:
        """The stack from projected keys and values on; `first_query` is the projected query of the first layer."""
        for index, (layer, key_value) in enumerate(zip(self.typed_layers(), key_values, strict=True)):
            if index == 0 and first_query is not None:
                query = first_query
            else:
                query = layer.self_attn.project_query(x if position is None else x + position)
            x = layer.read(x, query, key_value, mask)
        return x

    def forward(
        self,
        x: Float[Tensor, "B L D"],
        position: Float[Tensor, "#B L D"] | None,
        keys: Float[Tensor, "B T D"],
        key_position: Float[Tensor, "#B T D"] | None = None,
        mask: Bool[Tensor, "#B #H #L T"] | None = None,
    ) -> Float[Tensor, "B L D"]:
        for layer in self.typed_layers():
            x = layer(x, position, keys, key_position, mask)
        return x

    def typed_layers(self) -> list[TextToVideoLayer]:
        return [layer for layer in self.layers if isinstance(layer, TextToVideoLayer)]


def official_mask(
    query_mask: Bool[Tensor, "B L"], key_mask: Bool[Tensor, "B T"], heads: int
) -> Bool[Tensor, "B H L T"]:
    """The mask of the releases, in which a row depends on who shares its batch; for reproducing them only.

    They tile a mask "padded query x padded key" head by head, while attention expects sample by sample: row (b, h)
    gets the mask of sample (b * heads + h) mod B. Key padding is applied beside it.
    """
    batch = query_mask.shape[0]
    blocked = ~query_mask[:, :, None] & ~key_mask[:, None, :]  # (B, L, T)
    tiled = blocked.repeat(heads, 1, 1).reshape(batch, heads, *blocked.shape[1:])
    return ~tiled & key_mask[:, None, None, :]
