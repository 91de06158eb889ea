"""The contract of a fine model: windows and a saliency curve for pairs of a segment and a sentence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from coarse_to_fine.model_folders import StoredModel
from coarse_to_fine.types import MomentOutput, SegmentFeatures, TextFeatures


class FineModel(StoredModel, ABC):
    """Locates the moments of a sentence in a segment."""

    @abstractmethod
    def video_cache(self, segment: SegmentFeatures) -> Any:
        """Everything that depends on the segment only (for instance its projected clips), computed once."""

    @abstractmethod
    def locate(self, pairs: Sequence[tuple[Any, TextFeatures]], batch_size: int = 8) -> list[MomentOutput]:
        """Moments for each (video_cache, sentence) pair, in order; eval mode, no gradients, batched inside.

        The output of a pair does not depend on the other pairs. Windows are clamped to the segment's duration and
        those of zero length dropped (see `MomentOutput`).
        """
