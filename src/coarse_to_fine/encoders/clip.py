"""The encoder that the rest of the package uses: towers, tokenizer and preprocessing of one CLIP model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from coarse_to_fine.encoders.batching import TEXT_BATCH, embed_in_batches
from coarse_to_fine.encoders.precision import Precision, computing_in
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.tokenizer import ClipTokenizer
from coarse_to_fine.encoders.towers import ClipTowers
from coarse_to_fine.types import TextFeatures


class ClipEncoder:
    """A CLIP model on one device, in evaluation mode; fulfils `ImageTextEncoder`.

    Weights and sentences are float32; `precision` is that of the image tower,
    and `embed_pixels` computes it (normalised pictures to embeddings); another backend may take its place.
    """

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
        self.name = name
        self.fingerprint = fingerprint
        self.embed_dim = towers.config.projection_dim
        self.token_dim = towers.config.text_config.hidden_size
        self.image_size = towers.config.vision_config.image_size
        self.warning = towers.config.scope_warning
        self.device = torch.device(device)
        self.precision: Precision = precision
        self.towers = towers.to(self.device).eval().requires_grad_(False)
        self.embed_pixels: Callable[[Tensor], Tensor] = self.towers.embed_images
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize and crop one upright RGB picture as the model's own processor does."""
        return self.preprocessing.prepare(picture)

    @torch.inference_mode()
    def encode_images(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
        """Embed prepared pictures; projected, not normalised, float32 on the CPU. N may be 0."""
        with computing_in(self.precision, self.device):
            return embed_in_batches(pictures, self.embed_dim, self._embed)

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        """Embed sentences; over-long ones are cut at a word and marked `truncated`.

        Sentences of equal length are embedded together, so there is no padding that could change a result.
        """
        tokenized = self.tokenizer.tokenize(sentences)
        by_length: dict[int, list[int]] = defaultdict(list)
        for index, sentence in enumerate(tokenized):
            by_length[len(sentence.ids)].append(index)
        features: dict[int, TextFeatures] = {}
        for members in by_length.values():
            for start in range(0, len(members), TEXT_BATCH):
                part = members[start : start + TEXT_BATCH]
                ids = torch.tensor([tokenized[index].ids for index in part], device=self.device)
                embeddings, states = (tensor.cpu() for tensor in self.towers.embed_text(ids))
                for row, index in enumerate(part):
                    read = tokenized[index]
                    features[index] = TextFeatures(
                        read.text, embeddings[row].clone(), states[row].clone(), read.truncated
                    )
        return [features[index] for index in range(len(sentences))]

    def _embed(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
        return self.embed_pixels(self.preprocessing.normalise(pictures.to(self.device)))
