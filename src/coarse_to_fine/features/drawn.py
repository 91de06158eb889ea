"""Videos that exist as a function from time to picture: rendered when looked at, never written as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.features.pictures import PictureSource
from coarse_to_fine.features.sampling import Sampling
from coarse_to_fine.video.picture import Picture
from coarse_to_fine.video.sampling import ReadingPlan, plan_times
from coarse_to_fine.worker_processes import WorkerProcesses


@dataclass(frozen=True, slots=True)
class DrawnVideo:
    """A video as a function.

    Attributes:
        video_id: its id.
        duration_s: its length.
        frame_times_s: (N,) ascending, the first is 0: when each frame of its file would be shown.
        picture: from a frame time to the upright uint8 RGB (height, width, 3) picture; for several processes it must
            be picklable (a `functools.partial` of a module's function is).
        source: says what was drawn; equal sources are not drawn again.
    """

    video_id: str
    duration_s: float
    frame_times_s: Sequence[float]
    picture: Callable[[float], Picture]
    source: str = "drawn"


class DrawnPictures:
    """The pictures of a drawn video that its plan asks for."""

    def __init__(self, video: DrawnVideo, encoder: ImageTextEncoder, sampling: Sampling) -> None:
        self.plan = _plan(video, sampling)
        self._video = video
        self._encoder = encoder

    def pictures(self) -> Iterator[tuple[int, UInt8[Tensor, "S S 3"]]]:
        """(position, prepared picture) in the order of time."""
        for position, time_s in enumerate(self.plan.times_s):
            yield position, self._encoder.prepare(torch.from_numpy(self._video.picture(time_s)))


class _ReadyPictures:
    """Pictures that another process has drawn."""

    def __init__(self, plan: ReadingPlan, pictures: Tensor) -> None:
        self.plan = plan
        self._pictures = pictures

    def pictures(self) -> Iterator[tuple[int, Tensor]]:
        yield from enumerate(self._pictures)


@contextmanager
def drawing_tasks(
    videos: Sequence[DrawnVideo], encoder: ImageTextEncoder, sampling: Sampling, processes: int
) -> Iterator[list[Callable[[], PictureSource]]]:
    """Tasks for `embed_videos`; with more than one process the pictures are drawn and prepared there.

    Drawing holds Python's lock, so threads alone would not share the work.
    """
    if processes <= 1:
        yield [partial(DrawnPictures, video, encoder, sampling) for video in videos]
        return
    with WorkerProcesses(processes, _start, encoder, sampling) as workers:
        yield [partial(_wait, workers, video, sampling) for video in videos]


def _wait(workers: WorkerProcesses, video: DrawnVideo, sampling: Sampling) -> PictureSource:
    drawn = workers.submit(_draw, video).result()
    return _ReadyPictures(_plan(video, sampling), torch.from_numpy(drawn))


def _plan(video: DrawnVideo, sampling: Sampling) -> ReadingPlan:
    return plan_times(
        np.asarray(video.frame_times_s, dtype=np.float64),
        video.duration_s,
        sampling.clip_seconds,
        sampling.segment_seconds,
        sampling.segment_overlap_seconds,
        sampling.frames_per_segment,
    )


_worker: dict[str, Any] = {}


def _start(encoder: ImageTextEncoder, sampling: Sampling) -> None:
    torch.set_num_threads(1)
    _worker.update(encoder=encoder, sampling=sampling)


def _draw(video: DrawnVideo) -> Picture:
    source = DrawnPictures(video, _worker["encoder"], _worker["sampling"])
    drawn: Picture = torch.stack([picture for _, picture in source.pictures()]).numpy()
    return drawn
