"""What is asked for: sentences, their sum and difference, a picture; and the features that the two stages get of it.

Axes: T word tokens, D embedding width, W width of word states.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from coarse_to_fine.arguments import require_path, several, shown
from coarse_to_fine.encoders.outputs import embedded_pictures
from coarse_to_fine.errors import UserError
from coarse_to_fine.types import TextFeatures
from coarse_to_fine.wording import why

if TYPE_CHECKING:
    from coarse_to_fine.encoders.base import ImageTextEncoder

FUNCTION_WORD_LIST = """a an the and or but not no of to in on at by for from with into onto as is are was were be been
am do does did it its this that these those there here i you he she we they me him her us them my your his our their"""
FUNCTION_WORDS = frozenset(FUNCTION_WORD_LIST.split())
"""Of English; a sentence of nothing else shows nothing."""

SENTENCE_FOR_LENGTH = "a video"
"""Gives a picture's embedding the length that a sentence has, which stochastic text models look at."""


@dataclass(frozen=True, slots=True)
class Query:
    """What ranks the videos and, where given, a finer sentence that locates the moment.

    Attributes:
        text: the sentence; may be empty where there is an image.
        moment: a finer sentence for the moment inside the video.
        plus: further sentences whose directions are added: a dog, and snow.
        minus: sentences whose directions are taken away.
        image: a picture that is searched for like a sentence.
    """

    text: str = ""
    moment: str | None = None
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    image: str | Path | None = None

    def __post_init__(self) -> None:
        """Raises UserError for a part that is no text, and for one text where several are expected."""
        for name in ("text", "moment"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (name == "moment" and value is None):
                raise UserError(f"{name} is {shown(value)}; expected a sentence; give it as text")
        for name in ("plus", "minus"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or not all(isinstance(sentence, str) for sentence in value):
                raise UserError(f"{name} is {shown(value)}; expected several sentences; give a tuple of texts")
        if self.image is not None:
            require_path(self.image, "image", "save the picture to a file and give its path")

    @property
    def fine_text(self) -> str:
        """The words that the fine stage gets: the finer sentence, else all that are asked for; "" where none are."""
        return self.moment if self.moment is not None else ", ".join(self.wanted)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The sentences that are asked for; a query without any words and image has its empty text, to be refused."""
        return (self.text, *self.plus) if self.text or not (self.plus or self.image) else self.plus

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything that the text tower reads for this query."""
        length = (SENTENCE_FOR_LENGTH,) if not self.wanted else ()
        fine = (self.fine_text,) if self.wanted or self.moment is not None else ()
        return (*self.wanted, *self.minus, *fine, *length)

    @property
    def is_one_sentence(self) -> bool:
        """Whether there is nothing to add up."""
        return self.image is None and not self.minus and len(self.wanted) == 1

    @property
    def title(self) -> str:
        """The query as a person would write it down: `a dog + snow - night`."""
        picture = (f"image {Path(self.image).name}",) if self.image is not None else ()
        return " ".join([" + ".join((*self.wanted, *picture)), *(f"- {text}" for text in self.minus)])

    def check(self) -> None:
        """Refuse what no picture can show; for what people type, before anything is loaded.

        Raises:
            UserError: a sentence of function words, single Latin letters or signs alone, or of bytes that are no text.
        """
        for sentence in (*self.wanted, *self.minus, *((self.moment,) if self.moment is not None else ())):
            if any("\ud800" <= sign <= "\udfff" for sign in sentence):
                raise UserError(
                    f"the sentence is {sentence!r}, which is no text in UTF-8; expected that encoding; set the "
                    "terminal to it, or convert the file"
                )
            if not says_something(sentence):
                raise wordless(sentence)


def sentence_video_pairs(given: Iterable[tuple[str | Query, str]]) -> list[tuple[str | Query, str]]:
    """The pairs of a sentence and a video id.

    Raises:
        UserError: they are no pairs.
    """
    expected = "(sentence, video id) pairs"
    pairs = several(given, "pairs", expected)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UserError(f"pairs holds {shown(pair)}; expected {expected}; give a list such as [(sentence, id)]")
    return pairs


def says_something(sentence: str) -> bool:
    """Whether a sentence holds a word that a picture can show: of two letters, of another script, or an emoji."""
    words = re.findall(r"[^\W_]+", sentence.casefold())
    content = (word for word in words if word not in FUNCTION_WORDS and (len(word) > 1 or not word.isascii()))
    return any(content) or any(unicodedata.category(sign) == "So" for sign in sentence)


def wordless(sentence: str) -> UserError:
    """What to say about a sentence that says nothing."""
    return UserError(
        f"the sentence is {sentence!r}; expected words that say what is to be seen, "
        'such as "a dog jumps into the water"'
    )


@dataclass(frozen=True, slots=True)
class AskedFeatures:
    """The features of a query.

    Attributes:
        coarse: ranks the videos; its embedding is the sum of all parts.
        fine: locates the moment; has no tokens (T = 0) where a picture is asked for without words.
    """

    coarse: TextFeatures
    fine: TextFeatures

    @property
    def has_words(self) -> bool:
        return len(self.fine.tokens) > 0


def asked_features(query: Query, texts: Mapping[str, TextFeatures], encoder: ImageTextEncoder) -> AskedFeatures:
    """Features for both stages.

    One sentence stays as the encoder gave it. Else the directions are added and taken away, and the sum gets the
    length of the sentences' embeddings; words for the fine stage are those that are asked for, without the others.

    Args:
        query: what is asked for.
        texts: features of `query.sentences`.
        encoder: reads the image.

    Raises:
        UserError: the image cannot be read, or nothing is left of the sum.
    """
    if query.is_one_sentence:
        return AskedFeatures(texts[query.wanted[0]], texts[query.fine_text])
    words = [texts[text] for text in (query.wanted or (SENTENCE_FOR_LENGTH,))]
    parts = [texts[text].embedding for text in query.wanted]
    if query.image is not None:
        parts.append(image_embedding(query.image, encoder))
    length = torch.stack([text.embedding.norm() for text in words]).mean()
    total = combined(parts, [texts[text].embedding for text in query.minus], float(length))
    if query.moment is not None:
        fine = texts[query.moment]
    elif query.fine_text:
        read = texts[query.fine_text]
        fine = TextFeatures(read.text, total, read.tokens, read.truncated)
    else:
        fine = TextFeatures(query.title, total, words[0].tokens[:0])
    return AskedFeatures(TextFeatures(query.title, total, words[0].tokens[:0]), fine)


def combined(
    plus: Sequence[Float[Tensor, " D"]], minus: Sequence[Float[Tensor, " D"]], length: float
) -> Float[Tensor, " D"]:
    """The sum of unit vectors less the sum of others, of the given length.

    Raises:
        UserError: they cancel each other.
    """
    total = torch.stack([_unit(one) for one in plus]).sum(dim=0)
    for one in minus:
        total = total - _unit(one)
    if float(total.norm()) < 1e-3:
        raise UserError(
            "what is added and what is taken away cancel each other; expected different sentences; leave one out"
        )
    return _unit(total) * length


def image_embedding(path: str | Path, encoder: ImageTextEncoder) -> Float[Tensor, " D"]:
    """The embedding of a picture file, upright by its EXIF note.

    Raises:
        UserError: it is not there or no picture.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            picture = np.array(ImageOps.exif_transpose(file).convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(
            f"the image {str(path)!r} cannot be read ({why(error)}); expected a picture file such as JPEG or PNG; "
            "check it"
        ) from error
    return embedded_pictures(encoder, encoder.prepare(torch.from_numpy(picture)).unsqueeze(0))[0]


def _unit(vector: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
    unit: Tensor = vector / vector.norm().clamp(min=1e-12)
    return unit
