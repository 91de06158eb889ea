"""Frame-word enhancement: clips read the words, and in training masked words are guessed from clips.

Axes: B batch, L clips, T words, D width, K word classes. Masks: True = real.
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from coarse_to_fine.fine_grained.layers.attention import key_padding
from coarse_to_fine.fine_grained.layers.text_to_video import (
    KeyValue,
    TextToVideoEncoder,
    TextToVideoLayer,
    official_mask,
)


class EnhancementLayer(TextToVideoLayer):
    """A text-to-video layer that also works the other way round; that way may have its own feed-forward and norms.

    Attention and the scalar of the PReLU are shared by both ways in any case.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float, share_feed_forward: bool) -> None:
        super().__init__(width, heads, feed_forward, dropout)
        self.shares = share_feed_forward
        if not share_feed_forward:
            self.linear1_1 = nn.Linear(width, feed_forward)
            self.linear2_1 = nn.Linear(feed_forward, width)
            self.norm1_1 = nn.LayerNorm(width)
            self.norm2_1 = nn.LayerNorm(width)

    def read_clips(
        self, words: Float[Tensor, "B T D"], clips: KeyValue, mask: Bool[Tensor, "#B #H #T L"]
    ) -> Float[Tensor, "B T D"]:
        """The layer with words as queries and clips as keys and values."""
        query = self.self_attn.project_query(words)
        if self.shares:
            return self.read(words, query, clips, mask)
        read = words + self.drop(self.self_attn.read(query, *clips, mask))
        hidden = self.linear2_1(self.drop(self.activation(self.linear1_1(self.norm1_1(read)))))
        return self.norm2_1(read + self.drop(hidden))  # type: ignore[no-any-return]


class EnhancementEncoder(TextToVideoEncoder):
    """A stack of enhancement layers; the keys are the same for all, there is no final norm."""

    def __init__(
        self, width: int, heads: int, feed_forward: int, dropout: float, layers: int, share_feed_forward: bool
    ) -> None:
        super().__init__(width, heads, feed_forward, dropout, layers=0)
        sizes = (width, heads, feed_forward, dropout)
        self.layers = nn.ModuleList(EnhancementLayer(*sizes, share_feed_forward) for _ in range(layers))

    def read_clips(
        self,
        words: Float[Tensor, "B T D"],
        clips: Float[Tensor, "B L D"],
        position: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "#B #H #T L"],
    ) -> Float[Tensor, "B T D"]:
        """The stack with words as queries and clips (with their positions) as keys; words have no positions."""
        for layer in self.layers:
            if isinstance(layer, EnhancementLayer):
                words = layer.read_clips(words, layer.key_value(clips, position), mask)
        return words


def reading_mask(
    query_mask: Bool[Tensor, "B L"], key_mask: Bool[Tensor, "B T"], heads: int, official: bool
) -> Bool[Tensor, "_ _ _ T"]:
    """Which keys a query may read: all real ones, or what the release lets through."""
    return official_mask(query_mask, key_mask, heads) if official else key_padding(key_mask)
