"""Pictures and playable clips of library videos, made on demand and kept."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from coarse_to_fine.errors import VideoError
from coarse_to_fine.hits.clips import write_clip
from coarse_to_fine.hits.files import require_file
from coarse_to_fine.library import StoredVideo
from coarse_to_fine.video import PlayerClock, cut_clip, player_clock, probe, thumbnail

PLAYABLE_CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
}
LATE_START_S = 0.1
"""Files whose time line begins later than this are not played themselves: some browsers count from its beginning and
some from zero, and Chromium never reaches the end of such an MP4."""
LONGEST_PREVIEW_S = 120.0
PREVIEW_HEIGHT = 480
LONGEST_CLIP_S = 300.0
KEPT_CLIPS = 200
KEPT_CLIP_BYTES = 2 << 30
KEPT_PICTURES = 2000
CUTS_AT_ONCE = 2
KEPT_CLOCKS = 10_000


def is_playable(video: StoredVideo) -> bool:
    """Whether browsers usually play this container and codec, and all show the same picture at the same time."""
    known = video.codec in PLAYABLE_CODECS and Path(video.path).suffix.lower() in MEDIA_TYPES
    clock = _clock(video.path, video.mtime_ns)
    return known and clock.shows_first and abs(clock.begins_s) <= LATE_START_S


def first_frame_s(video: StoredVideo) -> float:
    """Where a browser that plays the file shows its first frame, seconds."""
    return _clock(video.path, video.mtime_ns).first_frame_s


@lru_cache(KEPT_CLOCKS)
def _clock(path: str, mtime_ns: int) -> PlayerClock:
    """Of the file as it was when it was indexed; an ordinary one where it cannot be read, which playing it will say."""
    try:
        return player_clock(path)
    except VideoError:
        return PlayerClock(0.0, 0.0, True)


class Media:
    """Thumbnails in memory, previews and clips in a folder that goes with the server."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ctf-clips-")
        self._pictures: OrderedDict[tuple[str, float], bytes] = OrderedDict()
        self._clips: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()
        self._working = threading.BoundedSemaphore(CUTS_AT_ONCE)
        self._making: dict[str, threading.Lock] = {}

    def picture(self, video: StoredVideo, time_s: float) -> bytes:
        """JPEG of the frame on show at a time.

        Raises:
            VideoError: the frame cannot be decoded.
        """
        key = (video.sha256, round(time_s, 1))
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        require_file(video.path)
        with self._working:
            made = thumbnail(probe(video.path), min(max(time_s, 0.0), video.duration_s))
        with self._lock:
            self._pictures[key] = made
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return made

    def preview(self, video: StoredVideo, start_s: float, end_s: float) -> Path:
        """An H.264 MP4 of [start_s, end_s], at most LONGEST_PREVIEW_S long and PREVIEW_HEIGHT high.

        Raises:
            VideoError: the stretch is empty or the file cannot be read.
        """
        end_s = min(end_s, start_s + LONGEST_PREVIEW_S)

        def cut(target: Path) -> Path:
            require_file(video.path)
            return cut_clip(video.path, start_s, end_s, target, PREVIEW_HEIGHT)

        return self._made(f"{video.sha256}/{start_s:.2f}/{end_s:.2f}/preview", cut)

    def clip(self, video: StoredVideo, start_s: float, end_s: float) -> Path:
        """An MP4 of [start_s, end_s] in full size, at most LONGEST_CLIP_S long, with as little coding as can be.

        Raises:
            VideoError: the stretch is empty or the file cannot be read.
        """
        end_s = min(end_s, start_s + LONGEST_CLIP_S)

        def cut(target: Path) -> Path:
            require_file(video.path)
            return write_clip(video.path, start_s, end_s, target).path

        return self._made(f"{video.sha256}/{start_s:.2f}/{end_s:.2f}/clip", cut)

    def close(self) -> None:
        """Delete previews and clips."""
        self._folder.cleanup()

    def _made(self, key: str, cut: Callable[[Path], Path]) -> Path:
        """The file of this key; cut once, also for parallel requests."""
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        with self._lock:
            own = self._making.setdefault(name, threading.Lock())
        try:
            with own:
                path = self._kept(name)
                if path is None:
                    with self._working:
                        path = cut(Path(self._folder.name) / f"{name}.mp4")
                    self._keep(name, path)
        finally:
            with self._lock:
                self._making.pop(name, None)
        return path

    def _kept(self, name: str) -> Path | None:
        with self._lock:
            if name in self._clips:
                self._clips.move_to_end(name)
            return self._clips.get(name)

    def _keep(self, name: str, path: Path) -> None:
        with self._lock:
            self._clips[name] = path
            while len(self._clips) > 1 and self._holds_too_much():
                self._clips.popitem(last=False)[1].unlink(missing_ok=True)

    def _holds_too_much(self) -> bool:
        held = sum(path.stat().st_size for path in self._clips.values())
        return len(self._clips) > KEPT_CLIPS or held > KEPT_CLIP_BYTES
