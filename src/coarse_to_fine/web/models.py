"""The JSON that the page and other programs get."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, PlainSerializer

from coarse_to_fine.hits.files import as_unicode

Shown = Annotated[str, PlainSerializer(as_unicode, return_type=str)]
"""Text that may hold the name of a file."""


class Hit(BaseModel):
    """One moment."""

    video_id: str
    title: Shown = Field(description="name of the file")
    start_s: float
    end_s: float
    duration_s: float = Field(description="of the whole video")
    score: float = Field(description="what the list is sorted by, in [0, 1]")
    moment_score: float = Field(description="foreground probability of the fine stage, in [0, 1]")
    coarse_score: float = Field(description="cosine of the coarse stage")
    coarse_rank: int
    segment: tuple[float, float] = Field(description="where in the video the fine stage looked, seconds")
    playable: bool = Field(description="whether browsers usually play the file; if not, ask for a preview")
    first_frame_s: float = Field(description="time of the first frame in a player of the file; add it when seeking")


class SearchResponse(BaseModel):
    """Answer to one search."""

    query: str
    moment: str | None
    hits: list[Hit]
    timing_ms: dict[str, float]
    notes: list[Shown] = Field(description="what a person should know about this search")


class Window(BaseModel):
    """One moment of a single video."""

    start_s: float
    end_s: float
    score: float


class MomentsResponse(BaseModel):
    """All moments of one video for a sentence, with its saliency curve."""

    video_id: str
    duration_s: float
    clip_seconds: float
    saliency: list[float] = Field(description="rank score of each clip, any sign; comparable within this curve only")
    saliency_normalised: list[float] = Field(description="the same curve scaled to 0 (lowest) to 1 (highest)")
    windows: list[Window]


class IndexingState(BaseModel):
    """How far an indexing run is."""

    running: bool
    done: int = 0
    total: int = 0
    item: Shown = ""
    added: int = 0
    failed: list[tuple[Shown, Shown]] = Field(default_factory=list, description="file and reason")
    error: Shown | None = None


class LibraryResponse(BaseModel):
    """The library in numbers."""

    videos: int
    duration_s: float
    encoder: Shown
    warning: Shown | None
    coarse: Shown
    fine: Shown
    coarse_models: list[Shown] = Field(description="names that a search may ask for, the one in use first")
    fine_models: list[Shown]
    indexing: IndexingState


class IndexRequest(BaseModel):
    """A file or folder on the server."""

    path: str = Field(min_length=1, max_length=4096)
