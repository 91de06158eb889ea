"""The contract of an image-text encoder: what the rest of the package may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jaxtyping import Float, UInt8
from torch import Tensor

from coarse_to_fine.arguments import shown
from coarse_to_fine.errors import UserError
from coarse_to_fine.types import TextFeatures


class ImageTextEncoder(Protocol):
    """Two towers with one embedding space, on one device, in eval mode, without gradients.

    An encoder whose text tower was trained on English alone may say so by `english_only = True`.

    Attributes:
        name: the name it was asked by, e.g. `clip-vit-b-32` or a folder.
        fingerprint: sha256 (hex) over weights and preprocessing; equal fingerprints give equal features.
        embed_dim: D, width of image and sentence embeddings.
        token_dim: W, width of the word states.
        image_size: pictures are given as (image_size, image_size) by `prepare`.
        warning: one line about what the encoder does not know (shown by searches on foreign video), or None.
    """

    name: str
    fingerprint: str
    embed_dim: int
    token_dim: int
    image_size: int
    warning: str | None

    def prepare(self, picture: UInt8[Tensor, "H W 3"]) -> UInt8[Tensor, "S S 3"]:
        """Resize and crop one upright RGB picture as the tower's own processor does, before normalisation."""
        ...

    def encode_images(self, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
        """Embed prepared pictures; projected, not normalised, float32 on the CPU. N may be 0."""
        ...

    def encode_text(self, sentences: Sequence[str]) -> list[TextFeatures]:
        """Embed sentences; over-long ones are cut at a word and marked `truncated`."""
        ...


CONTRACT = (
    *("name", "fingerprint", "embed_dim", "token_dim", "image_size", "warning"),
    *("prepare", "encode_images", "encode_text"),
)
"""What every encoder has."""


def require_encoder(given: object) -> None:
    """Raise unless this is an encoder.

    Raises:
        UserError: it is a class, or lacks a part of the contract.
    """
    lacking = [name for name in CONTRACT if not hasattr(given, name)]
    if isinstance(given, type):
        got, step = shown(given), f"give an object of it, such as {given.__name__}()"
    elif len(lacking) == len(CONTRACT):
        got, step = shown(given), "give an object, or the name or folder of an encoder"
    elif lacking:
        got, step = f"{shown(given)} without {', '.join(lacking)}", "add what is missing (docs/own_models.md)"
    else:
        return
    raise UserError(f"the encoder is {got}; expected all of ImageTextEncoder (coarse_to_fine.encoders.base); {step}")
