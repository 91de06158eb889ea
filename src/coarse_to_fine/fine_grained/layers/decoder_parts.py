"""Parts of the decoder that do not depend on the pair: computed once and shared by the batches of a call.

Axes: B batch, L clips, Q moment queries, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.layers.decoder import AnchorDecoder, QuerySide
from coarse_to_fine.fine_grained.layers.positions import video_position_code


class DecoderParts:
    """Position codes by the number of clips, their keys in the decoder, and the query side of its first layer.

    Valid in eval mode, as long as the weights stay; each part is computed when it is first needed.
    """

    def __init__(self, decoder: AnchorDecoder, anchors: Float[Tensor, "Q 2"]) -> None:
        """`anchors` are the learned spans before the sigmoid."""
        self._decoder, self._anchors = decoder, anchors
        self._positions: dict[int, Tensor] = {}
        self._key_positions: dict[int, list[Tensor]] = {}
        self._first: tuple[Tensor, QuerySide] | None = None

    def position(self, clips: int) -> Float[Tensor, "L D"]:
        """Position code of a video of L clips."""
        if clips not in self._positions:
            mask = torch.ones(1, clips, dtype=torch.bool, device=self._anchors.device)
            self._positions[clips] = video_position_code(mask, self._decoder.width)[0]
        return self._positions[clips]

    def key_positions(self, lengths: Sequence[int]) -> list[Tensor]:
        """Projected clip positions of each decoder layer, (B, L, D)."""
        for clips in set(lengths) - self._key_positions.keys():
            self._key_positions[clips] = self._decoder.key_positions(self.position(clips))
        layers = zip(*(self._key_positions[clips] for clips in lengths), strict=True)
        return [pad_rows(layer)[0] for layer in layers]

    def first_side(self, batch: int) -> tuple[Float[Tensor, "B Q 2"], QuerySide]:
        """References and the query side of decoder layer 0, which depend on the weights only."""
        if self._first is None:
            reference = self._anchors.sigmoid()[None]
            self._first = reference, self._decoder.first_side(reference)
        reference, side = self._first
        content = side.content.expand(batch, -1, -1)
        return reference.expand(batch, -1, -1), QuerySide(content, side.query.expand(batch, -1, -1, -1))
