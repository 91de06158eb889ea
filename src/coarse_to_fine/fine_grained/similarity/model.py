"""The training-free fine model: windows in which the clips look most like the sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from coarse_to_fine.errors import DataError
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.inputs import require_segment
from coarse_to_fine.fine_grained.similarity.config import SimilarityConfig
from coarse_to_fine.fine_grained.similarity.curve import all_windows, cosine_curve, explained_share, smooth
from coarse_to_fine.modes import undisturbed
from coarse_to_fine.spans import temporal_nms
from coarse_to_fine.types import MomentOutput, SegmentFeatures, TextFeatures

CANDIDATES = 200
"""Windows that enter the suppression."""


@dataclass(frozen=True, slots=True)
class SimilarityVideo:
    """The clip embeddings of a segment, (L, D), and its times in seconds."""

    clips: Tensor
    clip_seconds: float
    duration_s: float


class Similarity(FineModel):
    """Cosine of every clip with the sentence, smoothed; every window scored by how well it explains the curve.

    The score of a window is the share of the curve's variance that a step at the window explains; it is no learned
    probability. The whole segment comes last with score 0: a moment that fills it leaves no contrast to see.
    """

    name: ClassVar[str] = "similarity"
    training_free = True
    config_class = SimilarityConfig
    config: SimilarityConfig

    def __init__(self, config: SimilarityConfig | None = None) -> None:
        super().__init__()
        self.config = SimilarityConfig() if config is None else self.checked_config(config)

    def video_cache(self, segment: SegmentFeatures) -> SimilarityVideo:
        require_segment(segment)
        if not len(segment.clips):
            raise DataError("a segment without clips, expected at least one; extract its features again")
        return SimilarityVideo(segment.clips.float().cpu(), segment.clip_seconds, segment.duration_s)

    @undisturbed()
    def locate(self, pairs: Sequence[tuple[SimilarityVideo, TextFeatures]], batch_size: int = 8) -> list[MomentOutput]:
        return [self._locate_one(video, text) for video, text in pairs]

    def _locate_one(self, video: SimilarityVideo, text: TextFeatures) -> MomentOutput:
        if video.clips.shape[1] != len(text.embedding):
            raise DataError(
                f"clips have {video.clips.shape[1]} channels, the sentence {len(text.embedding)}; expected embeddings "
                "of one encoder, encode the sentence with the encoder of the library"
            )
        curve = smooth(cosine_curve(video.clips, text.embedding.float().cpu()), self.config.smoothing_clips)
        windows = all_windows(len(curve))
        share = explained_share(curve, windows)
        best = torch.argsort(share, descending=True, stable=True)[:CANDIDATES]
        best = best[share[best] > 0]
        windows_s = (windows[best].float() * video.clip_seconds).clamp(max=video.duration_s)
        best, windows_s = best[windows_s[:, 1] > windows_s[:, 0]], windows_s[windows_s[:, 1] > windows_s[:, 0]]
        kept = temporal_nms(windows_s, share[best], self.config.nms, self.config.windows - 1)
        whole = torch.tensor([[0.0, video.duration_s]])
        return MomentOutput(torch.cat([windows_s[kept], whole]), torch.cat([share[best][kept], torch.zeros(1)]), curve)
