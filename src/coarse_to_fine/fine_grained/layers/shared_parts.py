"""What several pairs of one call share: the parts of the decoder, and the words of each sentence.

Axes: B batch, T words, D width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from coarse_to_fine.fine_grained.inputs import pad_rows
from coarse_to_fine.fine_grained.layers.decoder import AnchorDecoder
from coarse_to_fine.fine_grained.layers.decoder_parts import DecoderParts
from coarse_to_fine.fine_grained.layers.text_to_video import KeyValue
from coarse_to_fine.types import TextFeatures


class SharedParts(DecoderParts, ABC):
    """Parts of one `locate` call; each is computed when it is first needed."""

    def __init__(self, decoder: AnchorDecoder, anchors: Float[Tensor, "Q 2"]) -> None:
        super().__init__(decoder, anchors)
        self._words: dict[int, tuple[TextFeatures, list[KeyValue]]] = {}

    def words(self, texts: Sequence[TextFeatures]) -> tuple[list[KeyValue], Bool[Tensor, "B T"]]:
        """Keys and values of the words in each layer that reads them, and which words are real."""
        for text in texts:
            if id(text) not in self._words:
                self._words[id(text)] = text, self.key_values(text)
        each = [self._words[id(text)][1] for text in texts]
        if len({id(text) for text in texts}) == 1:  # one sentence, many videos: no copy
            batch, first = len(texts), each[0][0][0]
            mask = torch.ones(batch, len(first), dtype=torch.bool, device=first.device)
            return [(key.expand(batch, -1, -1), value.expand(batch, -1, -1)) for key, value in each[0]], mask
        padded = [
            (pad_rows([key for key, _ in layer])[0], pad_rows([value for _, value in layer])[0])
            for layer in zip(*each, strict=True)
        ]
        return padded, pad_rows([key_values[0][0] for key_values in each])[1]

    @abstractmethod
    def key_values(self, text: TextFeatures) -> list[KeyValue]:
        """Keys and values, each (T, D), of one sentence in each layer that reads words."""
