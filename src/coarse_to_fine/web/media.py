"""Pictures and playable clips of library videos, made on demand and kept."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from coarse_to_fine.library import StoredVideo
from coarse_to_fine.video import cut_clip, probe, thumbnail

PLAYABLE_CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
}
LONGEST_PREVIEW_S = 120.0
PREVIEW_HEIGHT = 480
KEPT_PREVIEWS = 200
KEPT_PICTURES = 2000
PREVIEWS_AT_ONCE = 2


def is_playable(video: StoredVideo) -> bool:
    """Whether browsers usually play this container and codec."""
    return video.codec in PLAYABLE_CODECS and Path(video.path).suffix.lower() in MEDIA_TYPES


class Media:
    """Thumbnails in memory and preview clips in a folder that goes with the server."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ctf-previews-")
        self._pictures: OrderedDict[tuple[str, float], bytes] = OrderedDict()
        self._previews: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()
        self._working = threading.BoundedSemaphore(PREVIEWS_AT_ONCE)
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
        with self._working:
            made = thumbnail(probe(video.path), min(max(time_s, 0.0), video.duration_s))
        with self._lock:
            self._pictures[key] = made
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return made

    def preview(self, video: StoredVideo, start_s: float, end_s: float) -> Path:
        """An H.264 MP4 of [start_s, end_s], at most LONGEST_PREVIEW_S long; made once, also for parallel requests.

        Raises:
            VideoError: the stretch is empty or the file cannot be read.
        """
        end_s = min(end_s, start_s + LONGEST_PREVIEW_S)
        name = hashlib.sha256(f"{video.sha256}/{start_s:.2f}/{end_s:.2f}".encode()).hexdigest()[:32]
        with self._lock:
            own = self._making.setdefault(name, threading.Lock())
        with own:
            path = self._previews.get(name)
            if path is None:
                with self._working:
                    target = Path(self._folder.name) / f"{name}.mp4"
                    path = cut_clip(video.path, start_s, end_s, target, PREVIEW_HEIGHT)
                self._keep(name, path)
        return path

    def close(self) -> None:
        """Delete the previews."""
        self._folder.cleanup()

    def _keep(self, name: str, path: Path) -> None:
        with self._lock:
            self._previews[name] = path
            self._making.pop(name, None)
            while len(self._previews) > KEPT_PREVIEWS:
                self._previews.popitem(last=False)[1].unlink(missing_ok=True)
