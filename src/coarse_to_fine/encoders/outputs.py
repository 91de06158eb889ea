"""What encoders give, checked where it is first needed: they may be objects of the caller's own.

Axes: N pictures, S side of a picture, D embedding width, T word tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxtyping import Float, UInt8
from torch import Tensor

from coarse_to_fine.arguments import described, shown
from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.errors import UserError
from coarse_to_fine.types import TextFeatures


def embedded_pictures(encoder: ImageTextEncoder, pictures: UInt8[Tensor, "N S S 3"]) -> Float[Tensor, "N D"]:
    """The embeddings of prepared pictures.

    Raises:
        UserError: the encoder gave something else.
    """
    rows = encoder.encode_images(pictures)
    wanted = (len(pictures), encoder.embed_dim)
    if not isinstance(rows, Tensor) or tuple(rows.shape) != wanted:
        raise _broken(encoder, "encode_images", described(rows), f"a tensor of shape {wanted}")
    return rows


def encoded_sentences(encoder: ImageTextEncoder, sentences: Sequence[str]) -> list[TextFeatures]:
    """The features of sentences.

    Raises:
        UserError: the encoder gave something else.
    """
    given: object = encoder.encode_text(sentences)
    found = list(given) if isinstance(given, Iterable) and not isinstance(given, Tensor) else []
    wrong = next((text for text in found if not _fits(text, encoder.embed_dim)), None)
    if len(found) != len(sentences) or wrong is not None:
        got = described(given) if not found else f"{len(found)} for {len(sentences)}"
        if isinstance(wrong, TextFeatures):
            got = f"embedding {described(wrong.embedding)} and tokens {described(wrong.tokens)}"
        elif wrong is not None:
            got = f"a list with a value {shown(wrong)}"
        expected = f"a TextFeatures a sentence, with embedding ({encoder.embed_dim},) and tokens (T, W)"
        raise _broken(encoder, "encode_text", got, expected)
    if not all(bool(text.embedding.isfinite().all()) and bool(text.tokens.isfinite().all()) for text in found):
        raise _broken(encoder, "encode_text", "inf or NaN", "finite numbers")
    return found


def _fits(text: object, width: int) -> bool:
    if not isinstance(text, TextFeatures) or not isinstance(text.embedding, Tensor):
        return False
    return tuple(text.embedding.shape) == (width,) and isinstance(text.tokens, Tensor) and text.tokens.ndim == 2


def _broken(encoder: ImageTextEncoder, method: str, got: str, expected: str) -> UserError:
    return UserError(f"`{method}` of the encoder {encoder.name!r} gave {got}; expected {expected}; mend the encoder")
