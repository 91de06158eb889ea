"""Video files as sources of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.features.sampling import Sampling, plain_square
from coarse_to_fine.video.picture import Picture, PictureSize
from coarse_to_fine.video.probe import probe
from coarse_to_fine.video.read import read_frames
from coarse_to_fine.video.sampling import plan_reading
from coarse_to_fine.video.video_file import LostSpan


class FilePictures:
    """The pictures of one video file; `lost` is complete when they have all been read."""

    def __init__(self, path: str | Path, encoder: ImageTextEncoder, sampling: Sampling) -> None:
        """Probe the file and plan its reading.

        Raises:
            VideoError: no frame can be had from it.
        """
        self.video = probe(path)
        self.plan = plan_reading(
            self.video,
            sampling.clip_seconds,
            sampling.segment_seconds,
            sampling.segment_overlap_seconds,
            sampling.frames_per_segment,
        )
        self.lost: tuple[LostSpan, ...] = self.video.lost
        self._encoder = encoder
        side = plain_square(encoder) if sampling.scaling == "decoder" else None
        self._size = PictureSize(side) if side is not None else None
        self._stand_in_seconds = sampling.clip_seconds / 2

    def pictures(self) -> Iterator[tuple[int, UInt8[Tensor, "S S 3"]]]:
        """(position, prepared picture) in the order of time."""
        reader = read_frames(
            self.video, self.plan.times_s, self._prepare, self._size, stand_in_seconds=self._stand_in_seconds
        )
        for read in reader:
            yield read.position, read.picture
        self.lost = (*self.video.lost, *(span for span in reader.lost if not _is_known(span, self.video.lost)))

    def _prepare(self, picture: Picture) -> Tensor:
        return self._encoder.prepare(torch.from_numpy(picture))


def _is_known(span: LostSpan, known: tuple[LostSpan, ...]) -> bool:
    return any(one.start_s <= span.start_s and span.end_s <= one.end_s for one in known)
