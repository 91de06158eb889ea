"""Matches wanted frames with the frames that a decoder puts out, in the order of display."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coarse_to_fine.video.video_file import Times

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True)
class Match:
    """A wanted frame and the decoded one that answers it.

    Attributes:
        wanted: number of the wanted frame.
        shown: number of the frame that answers it.
        frame: the decoded frame.
        stands_in: whether `shown` is a near frame in place of one that cannot be decoded.
    """

    wanted: int
    shown: int
    frame: VideoFrame
    stands_in: bool


class LeftOut(Exception):  # noqa: N818 (a signal within this package, not an error that a caller sees)
    """A wanted frame did not come out of the decoder although nothing is damaged."""

    def __init__(self, before_first: bool) -> None:
        super().__init__()
        self.before_first = before_first


class FrameMatcher:
    """State of the matching: what is still wanted, and which near frames could stand in.

    Attributes:
        pending: wanted frames of the run that are not answered yet.
        waiting: wanted frames that cannot be decoded and wait for the next good frame to stand in for them.
        careful: whether the run was decoded with nothing skipped, so that a frame which is left out has no picture of
            its own (a second field, a hidden picture) and the one before it is on show.
        gives_up: whether a frame that is left out counts as lost.
    """

    def __init__(self, frame_times_s: Times, reach_s: float) -> None:
        self.pending: deque[int] = deque()
        self.waiting: list[int] = []
        self.careful = False
        self.gives_up = False
        self._times, self._reach_s = frame_times_s, reach_s
        self._last: tuple[int, VideoFrame] | None = None
        self._good: tuple[int, VideoFrame] | None = None
        self._is_tainted: Callable[[int], bool] = lambda frame: False

    def start(self, frames: tuple[int, ...], is_tainted: Callable[[int], bool]) -> None:
        """Begins a run."""
        self.pending = deque(frames)
        self._last = self._good = None
        self._is_tainted = is_tainted

    def put_out(self, number: int, frame: VideoFrame) -> Iterator[Match]:
        """Takes the next frame of the decoder.

        Raises:
            LeftOut: see there.
        """
        while self.pending and self.pending[0] < number:
            yield from self._settle_absent()
        tainted = self._is_tainted(number)
        if not tainted:
            yield from self._end_waiting(number, frame)
        if self.pending and self.pending[0] == number:
            self.pending.popleft()
            if tainted:
                yield from self._stand_in(number)
            else:
                yield Match(number, number, frame, stands_in=False)
        self._last = (number, frame)
        if not tainted:
            self._good = self._last

    def finish(self) -> Iterator[Match]:
        """Ends a run: nothing more comes out of the decoder."""
        while self.pending:
            yield from self._settle_absent()

    def _settle_absent(self) -> Iterator[Match]:
        """Answers the first pending frame, which did not come out."""
        wanted = self.pending[0]
        if not self._is_tainted(wanted) and not self.gives_up:
            if self._last is None or not self.careful:
                raise LeftOut(before_first=self._last is None)
            if self._last is self._good:
                self.pending.popleft()
                yield Match(wanted, self._last[0], self._last[1], stands_in=False)
                return
        self.pending.popleft()
        yield from self._stand_in(wanted)

    def _stand_in(self, wanted: int) -> Iterator[Match]:
        """Answers a lost frame with the good one before it, or lets it wait for the next good one."""
        if self._good is not None and self._is_near(wanted, self._good[0]):
            yield Match(wanted, self._good[0], self._good[1], stands_in=True)
        else:
            self.waiting.append(wanted)

    def _end_waiting(self, number: int, frame: VideoFrame) -> Iterator[Match]:
        waiting, self.waiting = self.waiting, []
        for wanted in waiting:
            if self._is_near(wanted, number):
                yield Match(wanted, number, frame, stands_in=True)

    def _is_near(self, wanted: int, number: int) -> bool:
        return bool(abs(self._times[wanted] - self._times[number]) <= self._reach_s)
