"""Towers that OpenCLIP computes (PE-Core and others; extra `towers`), from a folder in its own layout.

The package is imported on use; it brings torchvision, with whose operations pictures are prepared here as in the
model's own transform.

Source: `create_model_from_pretrained`, `get_tokenizer` and `image_transform` of open_clip 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.encoders.fingerprint import fingerprint_of, present
from coarse_to_fine.encoders.precision import Precision, fingerprint_in
from coarse_to_fine.encoders.sentences import TRANSFORMERS_FILES, TokenizedSentence, cut_at_a_word
from coarse_to_fine.encoders.two_towers import TwoTowers
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.wording import why

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
"""In the order in which OpenCLIP looks for them."""

NORMALISING = 2
"""The last steps of OpenCLIP's transform: to a tensor, and normalise."""


@dataclass(frozen=True)
class OwnTransform:
    """OpenCLIP's transform for evaluation, in two halves."""

    transform: Any

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize and crop with the transform's own steps."""
        image: Any = Image.fromarray(np.ascontiguousarray(picture.numpy()))
        for step in self.transform.transforms[:-NORMALISING]:
            image = step(image)
        return torch.from_numpy(np.array(image))

    def normalise(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N 3 S S"]:
        """What the transform's last steps do to one picture."""
        norm = self.transform.transforms[-1]
        mean, std = (torch.tensor(values, device=pictures.device) for values in (norm.mean, norm.std))
        return ((pictures.float() / 255 - mean) / std).permute(0, 3, 1, 2)


class OpenClipEncoder(TwoTowers):
    """A model of OpenCLIP."""

    def __init__(
        self,
        name: str,
        model: Any,
        transform: Any,
        tokenizer: Any,
        fingerprint: str,
        device: torch.device | str = "cpu",
        precision: Precision = "fp32",
    ) -> None:
        """Take a model, its transform for evaluation and its tokenizer, as OpenCLIP makes them.

        Raises:
            WeightsError: pictures are not square, or the text tower does not show the states of its words.
        """
        super().__init__(name, model, OwnTransform(transform), fingerprint, device, precision)
        self.image_size = _side(model.visual.image_size, name)
        self.context = int(model.context_length)
        self.embed_pixels = model.encode_image
        self._tokenizer = tokenizer
        self._transformers = getattr(tokenizer, "tokenizer", None)  # inside OpenCLIP's wrapper, if it is such a one
        self.english_only = self._transformers is None  # then OpenCLIP's own tokenizer, which is CLIP's
        self._last_norm = _last_norm(model, name)
        probe = self.encode_text([""])[0]
        self.embed_dim, self.token_dim = len(probe.embedding), probe.tokens.shape[1]

    def _tokenize(self, sentences: Sequence[str]) -> list[TokenizedSentence]:
        return [self._tokenize_one(" ".join(sentence.split())) for sentence in sentences]

    def _tokenize_one(self, sentence: str) -> TokenizedSentence:
        text, truncated = cut_at_a_word(sentence, self._count, self.context)
        ids = self._tokenizer([text], context_length=self.context)[0]
        last = self._length(ids)
        return TokenizedSentence(text, tuple(ids.tolist()), truncated, tuple(place < last for place in range(len(ids))))

    def _embed_ids(self, ids: Int[Tensor, "M L"]) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M L W"]]:
        """Embeddings, and the states of the words after the last layer norm."""
        seen: list[Tensor] = []
        hook = self._last_norm.register_forward_hook(lambda module, given, states: seen.append(states))
        try:
            embeddings = self.towers.encode_text(ids)
        finally:
            hook.remove()
        return embeddings, seen[0]

    def _count(self, text: str) -> int:
        """Tokens of a sentence with its start and end tokens, before anything is cut."""
        if self._transformers is None:
            return len(self._tokenizer.encode(text)) + 2
        return len(self._transformers(self._tokenizer.clean_fn(text))["input_ids"])

    def _length(self, ids: Tensor) -> int:
        """Number of ids without the padding at the end."""
        pad = int(getattr(self._transformers, "pad_token_id", None) or 0)
        kept = (ids != pad).nonzero()
        return int(kept[-1]) + 1 if len(kept) else 1


def load_open_clip(name: str, folder: Path, device: torch.device | str, precision: Precision) -> OpenClipEncoder:
    """The model of a folder in OpenCLIP's layout; nothing is fetched.

    Raises:
        WeightsError: open_clip is not installed, or the folder is incomplete.
    """
    document = read_json(folder / CONFIG, "the architecture")
    weights = present(folder, WEIGHTS)
    if not weights:
        raise WeightsError(f"{folder}: no weights; expected {' or '.join(WEIGHTS)}; put one of them there")
    create, get_tokenizer = _open_clip(folder)
    place = f"local-dir:{folder}"
    try:
        model, transform = create(place, precision="fp32", device="cpu", weights_only=True)
        tokenizer = get_tokenizer(place)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AssertionError) as error:
        reason = why(error)[:300]
        raise WeightsError(
            f"{folder}: open_clip cannot read this model ({reason}); expected {CONFIG}, weights and tokenizer files of "
            "one model; copy the folder again"
        ) from None
    files = [*present(folder, TRANSFORMERS_FILES), weights[0]]
    fingerprint = fingerprint_in(precision, fingerprint_of({"open_clip": document}, files))
    return OpenClipEncoder(name, model, transform, tokenizer, fingerprint, device, precision)


def _open_clip(folder: Path) -> tuple[Callable[..., Any], Callable[..., Any]]:
    try:
        from open_clip import create_model_from_pretrained, get_tokenizer
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch is a RuntimeError
        raise WeightsError(
            f"{folder} holds a model of OpenCLIP, which needs open_clip ({error}); expected the extra `towers` and a "
            "torchvision made for this torch; install it with `pip install 'coarse-to-fine[towers]'`"
        ) from None
    return create_model_from_pretrained, get_tokenizer


def _side(size: Any, name: str) -> int:
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    if height != width:
        raise WeightsError(f"{name} takes pictures of {height} x {width}; expected square ones; choose another model")
    return int(height)


def _last_norm(model: Any, name: str) -> Any:
    tower = getattr(model, "text", model)
    if not hasattr(tower, "ln_final"):
        raise WeightsError(
            f"the text tower of {name} ({type(tower).__name__}) does not show the states of its words; expected one of "
            "OpenCLIP's own; choose another model"
        )
    return tower.ln_final
