"""The values that cross module borders: features of a sentence and of a segment, and what a search returns.

Axes: T word tokens, D embedding width of the two towers, W width of word states, F coarse frames, L clips, Q windows.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """One sentence as both stages need it, float32 on the CPU, nothing normalised.

    Attributes:
        text: the sentence as the encoder read it.
        embedding: (D,) projected sentence embedding, comparable with image embeddings by cosine.
        tokens: (T, W) states after the text tower's last layer norm, before the projection; start and end token
            included, padding excluded.
        truncated: whether words were cut because the sentence is longer than the encoder's context.
    """

    text: str
    embedding: Tensor
    tokens: Tensor
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class SegmentFeatures:
    """What is stored of one segment (a window of at most `segment_seconds` of one video), nothing normalised.

    Attributes:
        segment_id: unique in a library, `<video_id>#<index>`.
        video_id: the video it belongs to.
        start_s, end_s: its window in the video, seconds.
        clip_seconds: length of one clip; clip i covers [start_s + i * clip_seconds, start_s + (i + 1) * clip_seconds),
            the last one may be cut by the end of the video.
        frames: (F, D) image embeddings of the coarse frames in the order of time (T-MASS sampling rule).
        clips: (L, D) one image embedding a clip, L = ceil((end_s - start_s) / clip_seconds).
    """

    segment_id: str
    video_id: str
    start_s: float
    end_s: float
    clip_seconds: float
    frames: Tensor
    clips: Tensor

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class MomentOutput:
    """What a fine model says about one (segment, sentence) pair.

    Attributes:
        windows_s: (Q, 2) start and end in seconds from the start of the segment, 0 <= start < end <= duration,
            sorted by descending score.
        scores: (Q,) foreground probability of each window, in [0, 1].
        saliency: (L,) rank score of each clip; any sign, comparable within one pair only.
    """

    windows_s: Tensor
    scores: Tensor
    saliency: Tensor


@dataclass(frozen=True, slots=True)
class VideoHit:
    """A video found by the coarse stage.

    Attributes:
        video_id: id in the library.
        path: the file.
        score: coarse score, a cosine; the best of the video's segments.
        rank: 1 for the best.
        segment_s: start and end of its best segment, seconds.
    """

    video_id: str
    path: str
    score: float
    rank: int
    segment_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class MomentHit:
    """A moment found by both stages.

    Attributes:
        video_id: id in the library.
        path: the file.
        start_s, end_s: the moment in the video, seconds, 0 <= start < end <= duration of the video.
        score: what the list is sorted by, in [0, 1]: both stages fused in a search, the foreground probability alone
            where one video is given.
        moment_score: foreground probability of the fine stage.
        coarse_score: coarse score of the segment's video, a cosine.
        coarse_rank: rank of the video in the coarse stage, 1 for the best.
        segment_s: start and end of the segment that it was found in, seconds.
    """

    video_id: str
    path: str
    start_s: float
    end_s: float
    score: float
    moment_score: float
    coarse_score: float
    coarse_rank: int
    segment_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class VideoMoments:
    """The fine stage alone on one video.

    Attributes:
        hits: moments in video time, merged over segments, best first.
        clip_seconds: length of a clip.
        saliency: (L,) rank score of each clip of the whole video; any sign.
    """

    hits: tuple[MomentHit, ...]
    clip_seconds: float
    saliency: Tensor
