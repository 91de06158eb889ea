"""What a fine model is trained and validated on: a segment, a sentence, and where in the segment it is true."""

from __future__ import annotations

from dataclasses import dataclass

from coarse_to_fine.types import SegmentFeatures, TextFeatures


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Relevance given by annotators (QVHighlights): ids of the relevant clips, and the votes for each."""

    clips: tuple[int, ...]
    votes: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class FineSample:
    """One sentence with its segment.

    Attributes:
        sample_id: unique, for messages.
        segment: features of the segment; its `video_id` tells which samples share a video.
        text: the sentence.
        windows_s: true windows in seconds from the start of the segment, at least one.
        scores: relevance of clips by annotators; None where the data set has windows only.
    """

    sample_id: str
    segment: SegmentFeatures
    text: TextFeatures
    windows_s: tuple[tuple[float, float], ...]
    scores: ClipScores | None = None
