"""From pictures of many videos to features: decoding in threads, the encoder in the calling thread.

The pictures of one video are encoded in batches of their own, so the features of a video do not depend on what is
processed beside it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from coarse_to_fine.encoders.base import ImageTextEncoder
from coarse_to_fine.encoders.outputs import embedded_pictures
from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.sampling import ReadingPlan

BATCH_PICTURES = 32
WAITING_BATCHES_A_WORKER = 3
"""Bounds memory: a worker waits when this many batches of its pictures have not been encoded."""

LOOKAHEAD = 16
"""Videos that may be read past the oldest unfinished one; bounds what a kill can lose."""


class PictureSource(Protocol):
    """The pictures of one video that a plan asks for."""

    plan: ReadingPlan

    def pictures(self) -> Iterator[tuple[int, UInt8[Tensor, "S S 3"]]]:
        """(position in `plan.times_s`, prepared picture); positions that cannot be decoded are left out."""
        ...


@dataclass(frozen=True, slots=True)
class VideoFeatures:
    """Features of a whole video, float32, not normalised.

    Attributes:
        frames: (S, F, D) coarse frames of each segment; one that cannot be decoded is the nearest that can.
        clips: (L, D) one row a clip; zero where no picture can be decoded.
        missing_clips: how many rows of `clips` are zero for that reason.
    """

    frames: Float[Tensor, "S F D"]
    clips: Float[Tensor, "L D"]
    missing_clips: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task: its source and features, or the exception that ended it."""

    index: int
    source: PictureSource | None = None
    features: VideoFeatures | None = None
    error: Exception | None = None


def embed_videos(
    tasks: Sequence[Callable[[], PictureSource]], encoder: ImageTextEncoder, workers: int
) -> Generator[Outcome, None, None]:
    """Open each task's source in a worker thread, encode its pictures here; outcomes in the order of the tasks.

    An exception of one video is its outcome and does not end the others. Closing the iterator stops the workers.
    """
    pool = _Pool(tasks, max(1, min(workers, len(tasks))))
    try:
        yield from _collect(pool, encoder, len(tasks))
    finally:
        pool.stop()


def assemble(plan: ReadingPlan, positions: Sequence[int], rows: Float[Tensor, "N D"]) -> VideoFeatures:
    """Sort embedded pictures into coarse frames and clips.

    Raises:
        VideoError: there is no picture, or an embedding is not finite.
    """
    if not positions:
        raise VideoError("no frame can be decoded; expected at least one; check that the file plays")
    if not bool(torch.isfinite(rows).all()):
        raise VideoError("the encoder gave values that are not finite; expected finite ones; check its weights")
    times = np.asarray(plan.times_s)
    row_at = np.full(len(times), -1)
    row_at[list(positions)] = np.arange(len(positions))
    clip_rows = torch.from_numpy(row_at[list(plan.clip_positions)])
    clips = rows[clip_rows.clamp(min=0)]
    clips[clip_rows < 0] = 0
    wanted = np.array([segment.frame_positions for segment in plan.segments])  # (S, F)
    nearest = np.abs(times[wanted][..., None] - times[list(positions)]).argmin(-1)  # (S, F)
    return VideoFeatures(rows[torch.from_numpy(nearest)], clips, int((clip_rows < 0).sum()))


@dataclass(slots=True)
class _Message:
    """From a worker: a source that was opened, a batch of its pictures, or its end (both absent)."""

    index: int
    source: PictureSource | None = None
    positions: list[int] = field(default_factory=list)
    pictures: Tensor | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Gathering:
    source: PictureSource | None = None
    positions: list[int] = field(default_factory=list)
    rows: list[Tensor] = field(default_factory=list)


class _Pool:
    """Worker threads that take tasks in order and put messages into one bounded queue."""

    def __init__(self, tasks: Sequence[Callable[[], PictureSource]], workers: int) -> None:
        self.messages: queue.Queue[_Message] = queue.Queue(maxsize=WAITING_BATCHES_A_WORKER * workers)
        self.tickets = threading.Semaphore(LOOKAHEAD + workers)
        self._tasks = iter(enumerate(tasks))
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the workers at their next picture."""
        self._stopped.set()
        for _ in self._threads:
            self.tickets.release()
        for thread in self._threads:
            while thread.is_alive():
                self._drain()
                thread.join(0.01)

    def _drain(self) -> None:
        while True:
            try:
                self.messages.get_nowait()
            except queue.Empty:
                return

    def _work(self) -> None:
        while True:
            with self._turn:
                self.tickets.acquire()
                index, task = next(self._tasks, (-1, None))
            if task is None or self._stopped.is_set():
                return
            error: Exception | None = None
            try:
                self._read(index, task)
            except Exception as problem:  # whatever one file does must not end the others; it becomes its outcome
                error = problem
            self.messages.put(_Message(index, error=error))

    def _read(self, index: int, task: Callable[[], PictureSource]) -> None:
        source = task()
        self.messages.put(_Message(index, source))
        positions: list[int] = []
        pictures: list[Tensor] = []
        for position, picture in source.pictures():
            if self._stopped.is_set():
                return
            positions.append(position)
            pictures.append(picture)
            if len(pictures) == BATCH_PICTURES:
                self.messages.put(_Message(index, None, positions, torch.stack(pictures)))
                positions, pictures = [], []
        if pictures:
            self.messages.put(_Message(index, None, positions, torch.stack(pictures)))


def _collect(pool: _Pool, encoder: ImageTextEncoder, total: int) -> Iterator[Outcome]:
    gathering: dict[int, _Gathering] = {}
    done: dict[int, Outcome] = {}
    expected = 0
    while expected < total:
        message = pool.messages.get()
        video = gathering.setdefault(message.index, _Gathering())
        if message.source is not None:
            video.source = message.source
        elif message.pictures is not None:
            video.positions += message.positions
            video.rows.append(embedded_pictures(encoder, message.pictures))
        else:
            done[message.index] = _outcome(message, gathering.pop(message.index))
        while expected in done:
            yield done.pop(expected)
            pool.tickets.release()
            expected += 1


def _outcome(message: _Message, video: _Gathering) -> Outcome:
    if message.error is not None or video.source is None:
        return Outcome(message.index, video.source, error=message.error)
    try:
        rows = torch.cat(video.rows) if video.rows else torch.zeros(0, 0)
        return Outcome(message.index, video.source, assemble(video.source.plan, video.positions, rows))
    except VideoError as error:
        return Outcome(message.index, video.source, error=error)
