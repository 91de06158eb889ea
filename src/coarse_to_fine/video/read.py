"""Reads the pictures on show at given times of a video: exact, in one decoding pass, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast, overload

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame

from coarse_to_fine.arguments import require_kind, several
from coarse_to_fine.errors import VideoError
from coarse_to_fine.video.container import describe
from coarse_to_fine.video.decode_plan import DecodePlan, Run
from coarse_to_fine.video.frame_matcher import FrameMatcher, LeftOut, Match
from coarse_to_fine.video.packet_source import PacketSource
from coarse_to_fine.video.picture import Picture, PictureMaker, PictureSize
from coarse_to_fine.video.run_decoder import RunDecoder
from coarse_to_fine.video.sampling import frames_shown_at
from coarse_to_fine.video.timing import join_spans
from coarse_to_fine.video.video_file import LostSpan, VideoFile

T = TypeVar("T")
MOST_KEYS_BACK = 3
INTRA = (PictureType.I, PictureType.SI, PictureType.BI, PictureType.NONE)
"""A run that begins with another type of picture refreshes gradually, over a period and a few frames more."""
WHOLE_AFTER = 2


@dataclass(frozen=True, slots=True)
class FrameRead(Generic[T]):
    """One picture.

    Attributes:
        position: which of the asked times it answers.
        time_s: when the frame is first shown, seconds from the first frame.
        picture: what `prepare` made of the upright uint8 RGB (height, width, 3) picture.
        stands_in: the frame on show at the asked time cannot be decoded and this near one stands in for it.
    """

    position: int
    time_s: float
    picture: T
    stands_in: bool = False


@overload
def read_frames(
    video: VideoFile,
    times_s: Sequence[float],
    prepare: None = None,
    size: PictureSize | None = None,
    *,
    threads: int | Literal["auto"] = 1,
    stand_in_seconds: float = 1.0,
) -> FrameReader[Picture]: ...


@overload
def read_frames(
    video: VideoFile,
    times_s: Sequence[float],
    prepare: Callable[[Picture], T],
    size: PictureSize | None = None,
    *,
    threads: int | Literal["auto"] = 1,
    stand_in_seconds: float = 1.0,
) -> FrameReader[T]: ...


def read_frames(
    video: VideoFile,
    times_s: Sequence[float],
    prepare: Callable[[Picture], Any] | None = None,
    size: PictureSize | None = None,
    *,
    threads: int | Literal["auto"] = 1,
    stand_in_seconds: float = 1.0,
) -> FrameReader[Any]:
    """Pictures on show at ascending times.

    Args:
        video: the probed file.
        times_s: ascending, seconds from the first frame.
        prepare: made of each upright uint8 RGB (height, width, 3) picture; None: the picture itself.
        size: size after the decoder's scaler; None: full size, pixels as decoded.
        threads: decoder threads; 1 when several files are read side by side, `auto` for a single file.
        stand_in_seconds: how far a decodable frame may lie from one that is not, to stand in for it (half a clip).

    Raises:
        UserError: something of another kind than expected.
        VideoError: the times go back.
    """
    require_kind(video, VideoFile, "video", "a probed file", "probe it first: probe(PATH)")
    require_kind(size, PictureSize | None, "size", "a PictureSize", "give one: PictureSize(112)")
    times_s = several(times_s, "times_s", "seconds from the first frame")
    return FrameReader(video, times_s, prepare, size, threads, stand_in_seconds)


class FrameReader(Generic[T]):
    """Iterates once over the pictures of a video, in the order of time; nothing but the current one is held.

    Only groups of pictures that hold a wanted frame are decoded, each once, and pictures that no other builds on are
    skipped unless wanted. A position that is never delivered cannot be decoded and lies in one of the `lost` spans.

    Attributes:
        lost: stretches found damaged while decoding, ascending; complete at the end of the iteration.
    """

    def __init__(
        self,
        video: VideoFile,
        times_s: Sequence[float],
        prepare: Callable[[Picture], T] | None,
        size: PictureSize | None,
        threads: int | Literal["auto"],
        stand_in_seconds: float,
    ) -> None:
        times = np.asarray(times_s, np.float64)
        if np.any(np.diff(times) < 0):
            raise VideoError("the asked times go back; expected ascending times; sort them")
        self.lost: list[LostSpan] = []
        self._video, self._prepare, self._threads = video, prepare, threads
        self._frames = frames_shown_at(video.frame_times_s, times)
        self._plan = DecodePlan(video.packets)
        self._matcher = FrameMatcher(video.frame_times_s, stand_in_seconds)
        self._make_picture = PictureMaker(video.geometry, size)
        self._keys_back = 0

    def __iter__(self) -> Iterator[FrameRead[T]]:
        """Pictures by ascending position.

        Raises:
            VideoError: not one of the wanted frames can be decoded.
        """
        delivered = 0
        with PacketSource(self._video, self._threads) as source:
            for match in self._read(source):
                picture = self._picture(match)
                first, stop = np.searchsorted(self._frames, [match.wanted, match.wanted + 1]).tolist()
                for position in range(first, stop):
                    delivered += 1
                    time_s = float(self._video.frame_times_s[match.shown])
                    yield FrameRead(position, time_s, picture, match.stands_in)
        if len(self._frames) and not delivered:
            reason = f" ({self.lost[0].reason})" if self.lost else ""
            raise VideoError(f"no frame can be decoded{reason}; expected readable pictures; copy the file again")

    def _picture(self, match: Match) -> T:
        try:
            picture = self._make_picture(match.frame)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"pictures of format {match.frame.format.name} cannot be made RGB ({describe(error)}); "
                "expected an ordinary pixel format; re-encode the file"
            ) from error
        return cast("T", picture) if self._prepare is None else self._prepare(picture)

    def _read(self, source: PacketSource) -> Iterator[Match]:
        """Run by run; a run that leaves wanted frames out is read again with more care, and so is all that follows."""
        runs = deque(self._plan.runs(tuple(np.unique(self._frames).tolist())))
        while runs:
            run = runs.popleft()
            try:
                yield from self._decode(source, run)
            except LeftOut as left_out:
                self._take_more_care(left_out, run)
                later = (frame for other in runs for frame in other.frames)
                runs = deque(self._plan.runs((*self._matcher.pending, *later), self._keys_back))
                continue
            if self._matcher.waiting:
                yield from self._look_ahead(source, run, runs[0].start if runs else None)

    def _decode(self, source: PacketSource, run: Run) -> Iterator[Match]:
        decoder = RunDecoder(source, self._plan, run, skip_unwanted=not self._matcher.careful)
        self._matcher.start(run.frames, decoder.is_tainted)
        try:
            for place, (number, frame) in enumerate(decoder):
                if place == 0 and self._begins_in_part(run, frame):
                    raise LeftOut(before_first=True)
                yield from self._matcher.put_out(number, frame)
            yield from self._matcher.finish()
        finally:
            self._record_damage(decoder)

    def _begins_in_part(self, run: Run, frame: VideoFrame) -> bool:
        """Whether the first picture of a run with wanted frames builds on pictures before the run."""
        asked = bool(run.frames) and run.start > 0 and self._keys_back < WHOLE_AFTER
        return asked and frame.pict_type not in INTRA

    def _take_more_care(self, left_out: LeftOut, run: Run) -> None:
        """Starts further back if pictures are missing at the start of a run; then skips nothing; then gives up."""
        if left_out.before_first and self._keys_back < MOST_KEYS_BACK and run.start > 0:
            self._keys_back += 1
        elif not self._matcher.careful:
            self._matcher.careful = True
        else:
            self._matcher.gives_up = True

    def _look_ahead(self, source: PacketSource, run: Run, next_start: int | None) -> Iterator[Match]:
        """Lets the next key picture stand in for lost frames where the next run would begin after it."""
        key = self._plan.next_key(run.end)
        if key is not None and (next_start is None or key < next_start):
            yield from self._decode(source, Run(key, key, ()))

    def _record_damage(self, decoder: RunDecoder) -> None:
        times, duration = self._video.frame_times_s, self._video.duration_s
        for first, last in decoder.tainted_frames():
            end = float(times[last + 1]) if last + 1 < len(times) else duration
            self.lost.append(LostSpan(float(times[first]), end, decoder.reason or "the file cannot be read here"))
        self.lost[:] = join_spans(self.lost)
