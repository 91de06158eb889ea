"""Towers that OpenCLIP computes (PE-Core and others; extra `towers`), from a folder in its own layout.

The package is imported on use; it brings torchvision, with whose operations pictures are prepared here as in the
model's own transform.

Source: `create_model_from_pretrained`, `get_tokenizer` and `image_transform` of open_clip 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from coarse_to_fine.encoders.batching import TEXT_BATCH, cut_at_a_word, embed_in_batches
from coarse_to_fine.encoders.config import read_json
from coarse_to_fine.encoders.fingerprint import fingerprint_of
from coarse_to_fine.encoders.precision import Precision, computing_in, fingerprint_in
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.types import TextFeatures

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
"""In the order in which OpenCLIP looks for them."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "tokenizer_config.json")
NORMALISING = 2
"""The last steps of OpenCLIP's transform: to a tensor, and normalise."""


class OpenClipEncoder:
    """A model of OpenCLIP on one device, in evaluation mode; fulfils `ImageTextEncoder`."""

    warning: str | None = None

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
        self.name = name
        self.fingerprint = fingerprint
        self.image_size = _side(model.visual.image_size, name)
        self.device = torch.device(device)
        self.precision: Precision = precision
        self._model = model.to(self.device).eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._resizing, self._norm = transform.transforms[:-NORMALISING], transform.transforms[-1]
        self._last_norm = _last_norm(model, name)
        self.context = int(model.context_length)
        probe = self.encode_text([""])[0]
        self.embed_dim, self.token_dim = len(probe.embedding), probe.tokens.shape[1]

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize and crop one upright RGB picture with the model's own transform."""
        image: Any = Image.fromarray(np.ascontiguousarray(picture.numpy()))
        for step in self._resizing:
            image = step(image)
        return torch.from_numpy(np.array(image))

    @torch.inference_mode()
    def encode_images(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
        """Embed prepared pictures; not normalised, float32 on the CPU. N may be 0."""
        with computing_in(self.precision, self.device):
            return embed_in_batches(pictures, self.embed_dim, self._embed)

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        """Embed sentences; over-long ones are cut at a word and marked `truncated`."""
        cut = [cut_at_a_word(" ".join(one.split()), self._count, self.context) for one in sentences]
        features = []
        for start in range(0, len(cut), TEXT_BATCH):
            part = cut[start : start + TEXT_BATCH]
            ids = self._tokenizer([text for text, _ in part], context_length=self.context)
            embeddings, states = self._read(ids.to(self.device))
            for (text, truncated), embedding, own, row in zip(part, embeddings, states, ids):
                features.append(TextFeatures(text, embedding.clone(), own[: self._length(row)].clone(), truncated))
        return features

    def _read(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings, and the states of the words after the last layer norm."""
        seen: list[Tensor] = []
        hook = self._last_norm.register_forward_hook(lambda module, given, states: seen.append(states))
        try:
            embeddings = self._model.encode_text(ids)
        finally:
            hook.remove()
        return embeddings.float().cpu(), seen[0].float().cpu()

    def _embed(self, pictures: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, device=self.device) for values in (self._norm.mean, self._norm.std))
        pixels = (pictures.to(self.device).float() / 255 - mean) / std
        embedded: Tensor = self._model.encode_image(pixels.permute(0, 3, 1, 2))
        return embedded

    def _count(self, text: str) -> int:
        """Tokens of a sentence with its start and end tokens, before anything is cut."""
        whole = getattr(self._tokenizer, "tokenizer", None)
        return (
            len(whole(self._tokenizer.clean_fn(text))["input_ids"])
            if whole is not None
            else len(self._tokenizer.encode(text)) + 2
        )

    def _length(self, ids: Tensor) -> int:
        """Number of ids without the padding at the end."""
        own = getattr(self._tokenizer, "tokenizer", None)
        pad = int(own.pad_token_id or 0) if own is not None else 0
        kept = (ids != pad).nonzero()
        return int(kept[-1]) + 1 if len(kept) else 1


def load_open_clip(name: str, folder: Path, device: torch.device | str, precision: Precision) -> OpenClipEncoder:
    """The model of a folder in OpenCLIP's layout; nothing is fetched.

    Raises:
        WeightsError: open_clip is not installed, or the folder is incomplete.
    """
    document = read_json(folder / CONFIG, "the architecture")
    weights = open_clip_weights(folder)
    if not weights:
        raise WeightsError(f"{folder}: no weights; expected {' or '.join(WEIGHTS)}; put one of them there")
    create, get_tokenizer = _open_clip(folder)
    place = f"local-dir:{folder}"
    try:
        model, transform = create(place, precision="fp32", device="cpu", weights_only=True)
        tokenizer = get_tokenizer(place)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{folder}: open_clip cannot read this model ({reason}); expected {CONFIG}, weights and tokenizer files of "
            "one model; copy the folder again"
        ) from None
    tokens = [folder / file for file in TOKENIZER_FILES if (folder / file).is_file()]
    fingerprint = fingerprint_in(precision, fingerprint_of({"open_clip": document}, [*tokens, weights[0]]))
    return OpenClipEncoder(name, model, transform, tokenizer, fingerprint, device, precision)


def open_clip_weights(folder: Path) -> list[Path]:
    """The weights of a folder, the ones first that OpenCLIP reads."""
    return [folder / name for name in WEIGHTS if (folder / name).is_file()]


def _open_clip(folder: Path) -> tuple[Callable[..., Any], Callable[..., Any]]:
    try:
        from open_clip import create_model_from_pretrained, get_tokenizer
    except ImportError as error:
        raise WeightsError(
            f"{folder} holds a model of OpenCLIP, which needs open_clip ({error}); expected the extra `towers`; "
            "install it with `pip install 'coarse-to-fine[towers]'`"
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
