"""What encoders of every kind share: their place and arithmetic, and pictures and sentences in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from coarse_to_fine.arguments import described, require_kind, several
from coarse_to_fine.encoders.precision import Precision, computing_in
from coarse_to_fine.encoders.sentences import TokenizedSentence
from coarse_to_fine.errors import UserError
from coarse_to_fine.modes import undisturbed
from coarse_to_fine.types import TextFeatures

IMAGE_BATCH = 32
TEXT_BATCH = 256


class PictureRule(Protocol):
    """What is done to pictures: `prepare` makes 8-bit ones of the tower's size, `normalise` the tower's values."""

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]: ...

    def normalise(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N 3 S S"]: ...


class TwoTowers(ABC):
    """A model on one device, in evaluation mode; with what its kind sets, it fulfils `ImageTextEncoder`.

    Weights and sentences are float32; `precision` is that of the image tower, and `embed_pixels` computes it
    (normalised pictures to embeddings).
    """

    embed_dim: int
    token_dim: int
    image_size: int
    warning: str | None = None
    english_only = False
    embed_pixels: Callable[[Tensor], Tensor]

    def __init__(
        self,
        name: str,
        towers: Any,
        preprocessing: PictureRule,
        fingerprint: str,
        device: torch.device | str,
        precision: Precision,
    ) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self.fingerprint = fingerprint
        self.device = torch.device(device)
        self.precision: Precision = precision
        self.towers = towers.to(self.device).eval().requires_grad_(False)

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize and crop one upright RGB picture as the model's own processor does."""
        return self.preprocessing.prepare(picture)

    @undisturbed()
    def encode_images(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
        """Embed prepared pictures; in the shared space, not normalised, float32 on the CPU. N may be 0.

        Raises:
            UserError: they are not as `prepare` gives them.
        """
        _require_pictures(pictures)
        embedded = torch.zeros(len(pictures), self.embed_dim)
        with computing_in(self.precision, self.device):
            for start in range(0, len(pictures), IMAGE_BATCH):
                part = slice(start, start + IMAGE_BATCH)
                pixels = self.preprocessing.normalise(pictures[part].to(self.device))
                embedded[part] = self.embed_pixels(pixels).cpu()
        return embedded

    @undisturbed()
    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        """Embed sentences; over-long ones are cut at a word and marked `truncated`.

        Raises:
            UserError: one text, or something else than texts.
        """
        texts = several(sentences, "sentences", "several sentences")
        for text in texts:
            require_kind(text, str, "the sentence", "text", "give it as a string")
        read = self._tokenize(texts)
        features: dict[int, TextFeatures] = {}
        for part in _equally_long(read):
            ids = torch.tensor([read[index].ids for index in part], device=self.device)
            embeddings, states = (tensor.float().cpu() for tensor in self._embed_ids(ids))
            for row, index in enumerate(part):
                one = read[index]
                words = states[row] if one.mask is None else states[row, torch.tensor(one.mask)]
                features[index] = TextFeatures(one.text, embeddings[row].clone(), words.clone(), one.truncated)
        return [features[index] for index in range(len(read))]

    @abstractmethod
    def _tokenize(self, sentences: Sequence[str]) -> list[TokenizedSentence]: ...

    @abstractmethod
    def _embed_ids(self, ids: Int[Tensor, "M L"]) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M L W"]]:
        """Embeddings of sentences, and the states of their words."""


def _equally_long(read: Sequence[TokenizedSentence]) -> Iterator[list[int]]:
    """Places of at most TEXT_BATCH sentences that have equally many ids, so that no padding changes a result."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, sentence in enumerate(read):
        by_length[len(sentence.ids)].append(index)
    for members in by_length.values():
        for start in range(0, len(members), TEXT_BATCH):
            yield members[start : start + TEXT_BATCH]


def _require_pictures(given: object) -> None:
    if not isinstance(given, Tensor) or given.ndim != 4 or given.shape[-1] != 3 or given.dtype != torch.uint8:
        kind = f" of {given.dtype}" if isinstance(given, Tensor) else ""
        raise UserError(
            f"the pictures are {described(given)}{kind}; expected (N, S, S, 3) of torch.uint8; stack what `prepare` "
            "gives of each"
        )
