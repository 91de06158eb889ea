"""What published features are: which streams in which order, how their rows are normalised and spread over time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from coarse_to_fine.features.published.files import Form
from coarse_to_fine.frozen_config import FrozenConfig

Normalisation = Literal["raw", "unit-eps", "unit"]
VIDEO_FIELDS = ("{video_id}",)
TEXT_FIELDS = ("{query_id}", "{video_id}", "{index}")


class Stream(FrozenConfig):
    """One kind of clip features, such as SlowFast."""

    name: str = Field(min_length=1, description="name of the encoder that made it, as the user declares it")
    form: Form = Field(description="how the arrays are stored: npz, npy, pt or hdf5")
    path: str = Field(description="folder with one file a video, or the HDF5 file")
    width: int | None = Field(default=None, ge=1, description="width of a row; none: that of the first video")
    key: str | None = Field(default=None, description="array of an npz or pt file; none: the only one")
    pattern: str = Field(default="{video_id}", description="name of a video's array, for instance {video_id}.avi")
    normalise: Normalisation = Field(
        default="raw",
        description="rows before concatenation: raw; unit-eps = x / (norm + 1e-5), QD-DETR; unit = x / max(norm, "
        "1e-12), MESM",
    )

    @model_validator(mode="after")
    def _names(self) -> Stream:
        _check_pattern(self.pattern, VIDEO_FIELDS)
        return self


class Texts(FrozenConfig):
    """Text features, one file a query."""

    name: str = Field(default="text", min_length=1, description="name of the encoder, as the user declares it")
    form: Form = Field(default="npz", description="how the arrays are stored: npz, npy, pt or hdf5")
    path: str = Field(description="folder with one file a query, or the HDF5 file")
    width: int | None = Field(default=None, ge=1, description="width of a word state; none: that of the first query")
    key: str | None = Field(default="last_hidden_state", description="array of the word states")
    sentence_key: str | None = Field(
        default=None, description="array of the sentence embedding, for instance pooler_output; none: mean of the words"
    )
    pattern: str = Field(
        default="qid{query_id}",
        description="name of a query's array; {query_id}, {video_id}, {index} = place among its video's queries",
    )
    ids_from: str | None = Field(
        default=None,
        description="annotation file whose query ids name the arrays, where it is not the one that is imported",
    )

    @model_validator(mode="after")
    def _names(self) -> Texts:
        _check_pattern(self.pattern, TEXT_FIELDS)
        return self


class WordTexts(FrozenConfig):
    """Sentences as the vectors of their words, made here from a file in GloVe's text format."""

    form: Literal["glove"] = Field(description="says that words are looked up, not read from a file a query")
    path: str = Field(description="for instance glove.6B.300d.txt")
    unknown_seed: int | None = Field(
        default=None, description="draws one vector N(0, 1) for all words that have none; none: they are left out"
    )


def _texts_kind(value: object) -> str:
    form = value.get("form") if isinstance(value, dict) else getattr(value, "form", None)
    return "words" if form == "glove" else "files"


AnyTexts = Annotated[Annotated[Texts, Tag("files")] | Annotated[WordTexts, Tag("words")], Discriminator(_texts_kind)]


class PublishedFeatures(FrozenConfig):
    """The features of one data set as its release stores them."""

    streams: tuple[Stream, ...] = Field(
        min_length=1, description="concatenated in this order, which must be that of the model's blocks"
    )
    step_s: float | None = Field(
        default=2.0, gt=0, description="seconds from row to row; none: the rows are spread over the whole video"
    )
    max_rows: int | None = Field(default=None, ge=1, description="only the first rows of a video are read")
    texts: AnyTexts | None = Field(
        default=None, description="text features, or words with their vectors; none: clip features only"
    )

    @model_validator(mode="after")
    def _combinations(self) -> PublishedFeatures:
        names = [stream.name for stream in self.streams]
        if len(set(names)) != len(names):
            raise ValueError(f"streams are called {', '.join(names)}; give each its own name")
        if self.max_rows is not None and self.step_s is None:
            raise ValueError("max_rows is set and step_s is none: the rows that are left would cover the whole video")
        return self


def _check_pattern(pattern: str, fields: tuple[str, ...]) -> None:
    rest = pattern
    for field in fields:
        rest = rest.replace(field, "")
    if "{" in rest or "}" in rest or rest == pattern:
        raise ValueError(f"pattern is {pattern!r}; expected text with {' or '.join(fields)}")
