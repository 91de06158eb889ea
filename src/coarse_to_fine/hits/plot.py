"""A picture of one video for a sentence: frames along the time axis, the saliency curve, the moments.

Drawn with Pillow, which the package needs anyway, at twice the size in pixels that a screen of today shows sharply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coarse_to_fine.arguments import require_kind, require_path, require_whole
from coarse_to_fine.errors import UserError, naming_video
from coarse_to_fine.hits.files import require_file
from coarse_to_fine.hits.given import require_hit
from coarse_to_fine.hits.times import clock, clock_range
from coarse_to_fine.types import MomentHit, VideoMoments
from coarse_to_fine.video import PictureSize, VideoFile, probe, read_frames
from coarse_to_fine.video.caption import load_font, shortened
from coarse_to_fine.wording import why

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WIDTH, NARROWEST, WIDEST = 1600, 400, 16_000
"""Pixels; every format of pictures takes that many, and they are drawn in half a gigabyte of memory."""
MARGIN, TITLE, CURVE, AXIS = 24, 56, 260, 44
FRAME_HEIGHT = 120
LETTERS, SMALL_LETTERS, SMALLEST_LETTERS = 24, 18, 14
FINER = 3
"""How much larger the curve is drawn before it is made smaller."""
SHOWN_MOMENTS = 12
STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
MOST_TICKS = 10
GROUND, INK, QUIET, LINE, ACCENT = "#ffffff", "#16181d", "#565d6b", "#cfd4dd", "#1f4fd8"
BEST_MOMENT, OTHER_MOMENT, EDGE = (255, 166, 77), (255, 240, 224), (232, 150, 70)


@dataclass(frozen=True, slots=True)
class Scale:
    """From seconds to pixels of the axis."""

    left: int
    width: int
    duration_s: float

    def __call__(self, time_s: float) -> float:
        return self.left + self.width * min(max(time_s / self.duration_s, 0.0), 1.0)


def plot_moments(
    found: VideoMoments, path: str | Path, *, title: str = "", shown: MomentHit | None = None, width: int = WIDTH
) -> Image:
    """Draw the moments and the saliency curve of one video under its frames.

    Args:
        found: what `Pipeline.moments` gave.
        path: the video file.
        title: stands above, before the name of the file; usually the sentence.
        shown: the moment to mark strongest; None: the best of `found`.
        width: of the picture in pixels, 400 to 16000.

    Raises:
        UserError: the width is too small or too large, or something is of another kind.
        VideoError: the file cannot be read; it is named.

    Example:
        pipeline = Pipeline.load("videos.ctf")
        hit = pipeline.search("a dog jumps into the water")[0]
        found = pipeline.moments("a dog jumps into the water", hit.video_id)
        plot_moments(found, hit.path, title="a dog jumps into the water", shown=hit).save("dog.png")
    """
    from PIL import Image, ImageDraw

    require_kind(found, VideoMoments, "found", "VideoMoments", "give what `Pipeline.moments` gave")
    require_path(path, "path", "give that of the video, `hit.path`")
    if shown is not None:
        require_hit(shown, "shown")
    require_whole(width=width)
    if not NARROWEST <= width <= WIDEST:
        raise UserError(f"the width is {width} pixels; expected {NARROWEST} to {WIDEST}; leave it out for {WIDTH}")
    with naming_video(path):
        require_file(path)
        video = probe(path)
    scale = Scale(MARGIN, width - 2 * MARGIN, video.duration_s)
    top = MARGIN + TITLE + FRAME_HEIGHT
    height = top + CURVE + AXIS + MARGIN
    image = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(image)
    _title(draw, title, Path(path), width)
    _frames(image, video, scale)
    moments = ([shown, *found.hits] if shown is not None else list(found.hits))[: SHOWN_MOMENTS + 1]
    image.paste(_panel(found, moments, scale), (0, top))
    _labels(draw, found, moments, scale, top)
    _axis(draw, scale, top + CURVE)
    return image


def save_plot(image: Image, out: str | Path) -> Path:
    """Write a plot; the ending of the name chooses the format.

    Raises:
        UserError: an ending that is no picture's, or a place that cannot be written.
    """
    out = Path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        image.save(out)
    except (ValueError, OSError) as error:
        raise UserError(
            f"the plot cannot be written to {str(out)!r} ({why(error)}); expected a writable file name such as "
            "plot.png; choose another one"
        ) from error
    return out


def tick_seconds(duration_s: float) -> float:
    """Distance of the marks on the time axis: a round number that gives at most ten of them.

    Example:
        >>> tick_seconds(24), tick_seconds(3600)
        (5, 600)
    """
    return next((step for step in STEPS_S if duration_s / step <= MOST_TICKS), duration_s / MOST_TICKS)


def _title(draw: ImageDraw, title: str, path: Path, width: int) -> None:
    font = load_font(LETTERS)
    text = f"{title}  ·  {path.name}" if title else path.name
    text = shortened("".join(letter if letter.isprintable() else " " for letter in text), font, width - 2 * MARGIN)
    draw.text((MARGIN, MARGIN), text, fill=INK, font=font)


def _frames(image: Image, video: VideoFile, scale: Scale) -> None:
    """As many frames side by side as fit, each under the middle of its share of the time axis."""
    from PIL import Image

    count = max(1, scale.width // max(1, round(FRAME_HEIGHT * video.width / video.height)))
    share = scale.width / count
    times = [(number + 0.5) * video.duration_s / count for number in range(count)]
    size = PictureSize(max(1, round(FRAME_HEIGHT * min(1.0, video.width / video.height))), "short-side")
    for read in read_frames(video, times, size=size, threads="auto"):
        frame = Image.fromarray(read.picture)
        left = round(scale.left + read.position * share)
        cell = (round(scale.left + (read.position + 1) * share) - left, FRAME_HEIGHT)
        image.paste(_filled(frame, cell), (left, MARGIN + TITLE))


def _filled(frame: Image, cell: tuple[int, int]) -> Image:
    """The frame scaled to cover the cell, and cut to it around its middle."""
    from PIL import ImageOps

    return ImageOps.fit(frame, cell)


def _panel(found: VideoMoments, moments: Sequence[MomentHit], scale: Scale) -> Image:
    """The curve over bars for the moments, drawn larger and made smaller so that its edges are smooth."""
    from PIL import Image, ImageDraw

    large = Scale(scale.left * FINER, scale.width * FINER, scale.duration_s)
    width, height = (scale.width + 2 * MARGIN) * FINER, CURVE * FINER
    panel = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(panel)
    for moment in reversed(moments):
        best = moment is moments[0]
        box = (large(moment.start_s), 0, large(moment.end_s), height)
        draw.rectangle(box, fill=BEST_MOMENT if best else OTHER_MOMENT, outline=EDGE, width=FINER)
    _curve(draw, found.saliency.tolist(), found.clip_seconds, large, height)
    return panel.resize((width // FINER, CURVE), Image.Resampling.LANCZOS)


def _curve(draw: ImageDraw, values: Sequence[float], clip_seconds: float, scale: Scale, height: int) -> None:
    """The curve through the middles of the clips, scaled to its own range, and zero where it lies in it."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    top, bottom = height * 0.2, height * 0.95

    def y(value: float) -> float:
        return bottom - (bottom - top) * ((value - low) / (high - low) if high > low else 0.5)

    if low < 0 < high:
        draw.line((scale.left, y(0), scale.left + scale.width, y(0)), fill=LINE, width=2 * FINER)
    ends = [min((clip + 1) * clip_seconds, scale.duration_s) for clip in range(len(values))]
    points = [(scale((clip * clip_seconds + end) / 2), y(values[clip])) for clip, end in enumerate(ends)]
    if len(points) == 1:
        points = [(scale.left, points[0][1]), (scale.left + scale.width, points[0][1])]
    if points:
        draw.line(points, fill=ACCENT, width=3 * FINER, joint="curve")


def _labels(draw: ImageDraw, found: VideoMoments, moments: Sequence[MomentHit], scale: Scale, top: int) -> None:
    """The time of the marked moment above it, the highest and lowest saliency at the left."""
    font, small = load_font(SMALL_LETTERS), load_font(SMALLEST_LETTERS)
    values = found.saliency.tolist()
    for value, place in ((max(values), 0.2), (min(values), 0.95)) if values else ():
        draw.text((scale.left + 4, top + CURVE * place), f"{value:.2f}", fill=QUIET, font=small, anchor="lb")
    if moments:
        text = clock_range(moments[0].start_s, moments[0].end_s)
        middle = (scale(moments[0].start_s) + scale(moments[0].end_s)) / 2
        half = font.getlength(text) / 2
        middle = min(max(middle, scale.left + half), scale.left + scale.width - half)
        draw.text((middle, top + 6), text, fill=INK, font=font, anchor="ma")


def _axis(draw: ImageDraw, scale: Scale, top: int) -> None:
    font = load_font(SMALL_LETTERS)
    draw.line((scale.left, top, scale.left + scale.width, top), fill=INK, width=2)
    for time_s in _ticks(scale.duration_s):
        x, text = scale(time_s), clock(time_s).removesuffix(".0")
        draw.line((x, top, x, top + 8), fill=INK, width=2)
        draw.text((x, top + 12), text, fill=QUIET, font=font, anchor="la" if time_s == 0 else "ma")
    name = "saliency: a rank score, comparable within this video only"
    draw.text(
        (scale.left + scale.width, top + AXIS - 4), name, fill=QUIET, font=load_font(SMALLEST_LETTERS), anchor="ra"
    )


def _ticks(duration_s: float) -> Iterable[float]:
    step = tick_seconds(duration_s)
    return (number * step for number in range(int(duration_s / step) + 1))
