"""Hits as files: each moment cut out of its video, or all of them joined into one reel."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Literal, get_args

from coarse_to_fine.arguments import require_function, require_kind, require_path, require_whole, shown
from coarse_to_fine.errors import UserError, VideoError, naming_video
from coarse_to_fine.hits.files import require_file
from coarse_to_fine.hits.given import given_hits
from coarse_to_fine.hits.times import clock_range, clocks
from coarse_to_fine.types import MomentHit
from coarse_to_fine.video import Piece, copy_clip, cut_clip, cut_reel, splice_clip

LONGEST_STEM_BYTES = 160
"""File systems take 255 bytes a name; place, times and suffix need their share."""

Coding = Literal["least", "none", "all"]
"""What is coded anew: as little as an exact cut allows; nothing, from the key frame before on; every picture."""

Progress = Callable[[int, int, str], None]
"""progress(done, total, name): called after each clip."""


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A clip that was cut out.

    Attributes:
        path: the file.
        start_s: time in the video at which it begins, seconds.
        coded: which of its pictures were coded anew.
        reason: why all were although less was asked for; None otherwise.
    """

    path: Path
    start_s: float
    coded: Literal["none", "ends", "all"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CutReport:
    """What `cut_hits` wrote.

    Attributes:
        written: (place in the list from 1, clip) of each clip.
        failed: (path of the video, reason) of hits that could not be cut.
    """

    written: tuple[tuple[int, ClipFile], ...]
    failed: tuple[tuple[str, str], ...] = ()


def cut_hits(
    hits: Sequence[MomentHit],
    folder: str | Path,
    *,
    pad_s: float = 0.0,
    max_height: int | None = None,
    coding: Coding = "least",
    progress: Progress | None = None,
) -> CutReport:
    """Cut every hit into a file of its own; one that cannot be cut does not stop the others.

    Args:
        hits: what a search gave.
        folder: made if absent; a clip of the same name is replaced.
        pad_s: seconds added before and after each moment, as far as the video goes.
        max_height: larger pictures are scaled down to this height; that codes all of them anew.
        coding: see `write_clip`.
        progress: told about each clip.

    Raises:
        UserError: no hits, a negative `pad_s`, an unknown `coding`, a `max_height` below 16 or together with
            `coding="none"`.

    Example:
        pipeline = Pipeline.load("videos.ctf")
        report = cut_hits(pipeline.search("a dog jumps into the water"), "clips", pad_s=1)
    """
    _check(pad_s, max_height)
    hits = given_hits(hits)
    require_path(folder, "folder")
    require_function(progress, "progress", "(done, total, name)")
    if coding not in get_args(Coding):
        raise UserError(f"coding is {shown(coding)}; expected one of {', '.join(get_args(Coding))}; name one of them")
    if max_height is not None and coding == "none":
        raise UserError(f"the height is {max_height}, and copying is asked for; expected one of them; leave one out")
    written, failed = [], []
    for place, hit in enumerate(hits, start=1):
        out = Path(folder) / clip_name(hit, place)
        try:
            require_file(hit.path)
            start_s, end_s = max(0.0, hit.start_s - pad_s), hit.end_s + pad_s
            written.append((place, write_clip(hit.path, start_s, end_s, out, coding=coding, max_height=max_height)))
        except VideoError as error:
            failed.append((hit.path, str(error)))
        if progress is not None:
            progress(place, len(hits), out.name)
    return CutReport(tuple(written), tuple(failed))


def write_clip(
    path: str | Path,
    start_s: float,
    end_s: float,
    out: str | Path,
    *,
    coding: Coding = "least",
    max_height: int | None = None,
) -> ClipFile:
    """Cut [start_s, end_s] out of a video.

    Args:
        path: the video.
        start_s, end_s: seconds from its first frame; cut to its length.
        out: the MP4 to write; replaced if it exists.
        coding: "least": exactly these frames, those that a cut of H.264 pictures allows are copied without loss;
            "none": all are copied, from the key frame before the start on, to `.mkv` where MP4 does not take them;
            "all": H.264 and AAC, upright, square pixels, which every player takes. Where the first two cannot be had
            the clip is as with "all", and its `reason` says why.
        max_height: larger pictures are scaled down to this height, which is possible with coding alone.

    Raises:
        VideoError: the stretch is empty, or the video cannot be read.
    """
    reason = None
    try:
        if coding == "none" and max_height is None:
            copied = copy_clip(path, start_s, end_s, out)
            return ClipFile(copied.path, copied.start_s, "none")
        if coding == "least" and max_height is None:
            made = splice_clip(path, start_s, end_s, out)
            return ClipFile(made.path, start_s, "ends" if made.coded else "none")
    except VideoError as error:
        reason = str(error).split(";", 1)[0]
    return ClipFile(cut_clip(path, start_s, end_s, out, max_height), start_s, "all", reason)


def make_reel(
    hits: Sequence[MomentHit],
    out: str | Path,
    *,
    pad_s: float = 0.0,
    max_height: int | None = None,
    captions: bool = True,
) -> Path:
    """Join the hits into one MP4 in their order; the first one sets the size of the picture.

    Args:
        hits: what a search gave.
        out: the file; replaced if it exists.
        pad_s: seconds added before and after each moment.
        max_height: larger pictures are scaled down to this height.
        captions: write place, name of the video and time into the lower edge of the pictures.

    Raises:
        UserError: no hit, a negative `pad_s`, a `max_height` below 16, or a name that does not end in `.mp4`.
        VideoError: a video cannot be read; it is named.

    Example:
        pipeline = Pipeline.load("videos.ctf")
        make_reel(pipeline.search("a goal", top_moments=20), "goals.mp4")
    """
    _check(pad_s, max_height)
    hits = given_hits(hits)
    require_path(out, "out")
    if not hits:
        raise UserError("no moment to join; expected at least one hit; search for something else or lower the filters")
    if Path(out).suffix.lower() != ".mp4":
        raise UserError(f"the reel is called {str(out)!r}; expected a name that ends in .mp4; rename it")
    pieces = []
    for place, hit in enumerate(hits, start=1):
        with naming_video(hit.path):
            require_file(hit.path)
        text = hit_caption(hit, place) if captions else None
        pieces.append(Piece(Path(hit.path), max(0.0, hit.start_s - pad_s), hit.end_s + pad_s, text))
    return cut_reel(pieces, out, max_height)


def hit_caption(hit: MomentHit, place: int) -> str:
    """Place, name and time of a hit on one line."""
    return f"{place}  {Path(hit.path).name}  {clock_range(hit.start_s, hit.end_s)}"


def clip_name(hit: MomentHit, place: int) -> str:
    """A file name that sorts by place, says video and time, and is allowed on every file system."""
    stem = "".join(letter if letter.isprintable() and letter not in '/\\:*?"<>|' else "_" for letter in _stem(hit))
    times = "-".join(map(_name_time, clocks(hit.start_s, hit.end_s)))
    return f"{place:02d} {stem} {times}.mp4"


def _name_time(time: str) -> str:
    """1h01m15.3s for 1:01:15.3: no colon, which Windows does not allow in names."""
    parts = time.split(":")
    return "".join(part + unit for part, unit in zip(parts, "hms"[-len(parts) :]))


def _stem(hit: MomentHit) -> str:
    name = os.fsencode(Path(hit.path).stem)[:LONGEST_STEM_BYTES]
    return name.decode("utf-8", errors="ignore").strip()


def _check(pad_s: float, max_height: int | None) -> None:
    require_kind(pad_s, Real, "pad_s", "seconds", "give a number")
    if max_height is not None:
        require_whole(max_height=max_height)
    if not pad_s >= 0:
        raise UserError(f"the padding is {pad_s:g} s; expected 0 or more; leave it out for the moment alone")
    if max_height is not None and max_height < 16:
        raise UserError(f"the height is {max_height}; expected 16 pixels or more; leave it out to keep the video's")
