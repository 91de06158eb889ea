"""The encoder that the rest of the package uses: towers, tokenizer and preprocessing of one CLIP model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coarse_to_fine.encoders.precision import Precision
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.sentences import TokenizedSentence
from coarse_to_fine.encoders.tokenizer import ClipTokenizer
from coarse_to_fine.encoders.towers import ClipTowers
from coarse_to_fine.encoders.two_towers import TwoTowers


class ClipEncoder(TwoTowers):
    """A CLIP model; another backend may take the place of `embed_pixels`."""

    towers: ClipTowers
    preprocessing: Preprocessing
    english_only = True

    def __init__(
        self,
        name: str,
        towers: ClipTowers,
        tokenizer: ClipTokenizer,
        preprocessing: Preprocessing,
        fingerprint: str,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        super().__init__(name, towers, preprocessing, fingerprint, device, precision)
        self.embed_dim = towers.config.projection_dim
        self.token_dim = towers.config.text_config.hidden_size
        self.image_size = towers.config.vision_config.image_size
        self.warning = towers.config.scope_warning
        self.embed_pixels = towers.embed_images
        self.tokenizer = tokenizer

    def _tokenize(self, sentences: Sequence[str]) -> list[TokenizedSentence]:
        return self.tokenizer.tokenize(sentences)

    def _embed_ids(self, ids: Int[Tensor, "M L"]) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M L W"]]:
        return self.towers.embed_text(ids)
