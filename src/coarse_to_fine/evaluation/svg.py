"""Small plots as SVG text: lines, stacked bars, timelines, values with intervals; the page's style gives colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 40
SERIES_CLASSES = ("s0", "s1", "s2", "s3", "s4", "s5")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; y in percent."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def line_chart(lines: Sequence[Line], x_label: str, y_label: str, log_x: bool = False) -> str:
    """Lines with points over a y axis from 0 to 100; hovering a point tells its values."""
    every = [value for line in lines for value in line.x]
    low, high = min(every), max(every)

    def place(x: float, y: float) -> tuple[float, float]:
        part = (
            0.5 if high == low else (_scale(x, log_x) - _scale(low, log_x)) / (_scale(high, log_x) - _scale(low, log_x))
        )
        return LEFT + part * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / 100 * (HEIGHT - TOP - BOTTOM)

    parts = [_grid(y_label), *_x_ticks(sorted(set(every)), lambda x: place(x, 0)[0])]
    for number, line in enumerate(lines):
        style = SERIES_CLASSES[number % len(SERIES_CLASSES)]
        points = [place(x, y) for x, y in zip(line.x, line.y)]
        parts.append(f'<polyline class="line {style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
        for (px, py), x, y in zip(points, line.x, line.y):
            tip = escape(f"{line.name}: {y:.2f} at {x:g}")
            parts.append(f'<circle class="dot {style}" cx="{px:.1f}" cy="{py:.1f}" r="3"><title>{tip}</title></circle>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="label" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    return _figure(parts, WIDTH, HEIGHT, f"{y_label} over {x_label}") + legend([line.name for line in lines])


def stacked_bars(groups: Mapping[str, Mapping[str, float]], classes: Mapping[str, str]) -> str:
    """One horizontal bar of 100 % a group, cut into classes; `N` of a group is written beside it.

    Args:
        groups: label -> percent of each class, and `N`.
        classes: short name -> meaning, in drawing order.
    """
    row, left, width = 26, 120, WIDTH - 120 - 60
    parts = []
    for at, (label, values) in enumerate(groups.items()):
        y, x = at * row + 4, float(left)
        parts.append(f'<text class="label" x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        for number, (name, meaning) in enumerate(classes.items()):
            share = values.get(name, 0.0)
            length = share / 100 * width
            tip = escape(f"{label}: {name} {meaning} {share:.1f} %")
            shape = f'x="{x:.1f}" y="{y}" width="{length:.1f}" height="18"'
            parts.append(f'<rect class="bar c{number}" {shape}><title>{tip}</title></rect>')
            x += length
        parts.append(f'<text class="label" x="{left + width + 6}" y="{y + 13}">N = {values.get("N", 0):.0f}</text>')
    height = len(groups) * row + 6
    return _figure(parts, WIDTH, height, "error classes")


def timeline(
    duration_s: float,
    true: Sequence[Sequence[float]],
    predicted: Sequence[Sequence[float]],
    saliency: Sequence[float] | None,
) -> str:
    """True windows above, predicted windows below (stronger = higher score), the saliency curve under them."""
    width, left = 640, 60
    scale = (width - left - 24) / max(duration_s, 1e-9)
    parts = [f'<text class="label" x="{left - 8}" y="16" text-anchor="end">truth</text>']
    for start, end in (window[:2] for window in true):
        parts.append(_window("true", left + start * scale, 4, (end - start) * scale, 1.0, f"true {start:g}–{end:g} s"))
    top = max((span[2] for span in predicted), default=1.0) or 1.0
    for at, (start, end, score) in enumerate(predicted):
        y = 26 + at * 14
        tip = f"#{at + 1} {start:.1f}–{end:.1f} s, score {score:.3f}"
        strength = 0.25 + 0.75 * max(0.0, min(1.0, score / top))
        parts.append(f'<text class="label" x="{left - 8}" y="{y + 10}" text-anchor="end">{at + 1}</text>')
        parts.append(_window("found", left + start * scale, y, (end - start) * scale, strength, tip))
    y = 26 + len(predicted) * 14 + 4
    if saliency:
        parts += _curve(saliency, left, y, width - left - 24)
        y += 44
    parts += _seconds(duration_s, left, y, scale)
    return _figure(parts, width, y + 22, "timeline")


def interval_plot(rows: Sequence[tuple[str, float, float | None, float | None, float | None]]) -> str:
    """Value, 95 % interval and chance of percent metrics, one a row: (name, value, low, high, chance)."""
    row, left = 20, 170
    width = WIDTH - left - 20
    bottom = len(rows) * row + 4
    parts = [
        f'<line class="grid" x1="{left + part * width:.0f}" x2="{left + part * width:.0f}" y1="2" y2="{bottom}"/>'
        f'<text class="label" x="{left + part * width:.0f}" y="{bottom + 13}" text-anchor="middle">'
        f"{100 * part:g}</text>"
        for part in (0, 0.5, 1)
    ]
    for at, (name, value, low, high, chance) in enumerate(rows):
        y = at * row + 12
        parts.append(f'<text class="label" x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>')
        if low is not None and high is not None:
            x1, x2 = left + low / 100 * width, left + high / 100 * width
            parts.append(f'<line class="range" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y}" y2="{y}"/>')
        if chance is not None:
            x = left + chance / 100 * width
            parts.append(f'<line class="chance" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 6}" y2="{y + 6}"/>')
        tip = escape(f"{name}: {value:.2f}")
        x = left + value / 100 * width
        parts.append(f'<circle class="dot s0" cx="{x:.1f}" cy="{y}" r="4"><title>{tip}</title></circle>')
    return _figure(parts, WIDTH, bottom + 18, "values, 95 % intervals and chance")


def _scale(x: float, log: bool) -> float:
    return math.log(x) if log else x


def _grid(y_label: str) -> str:
    lines = []
    for value in range(0, 101, 20):
        y = HEIGHT - BOTTOM - value / 100 * (HEIGHT - TOP - BOTTOM)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="label" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    middle = (HEIGHT - BOTTOM + TOP) / 2
    turn = f'transform="rotate(-90 12 {middle:.0f})"'
    lines.append(f'<text class="label" x="12" y="{middle:.0f}" text-anchor="middle" {turn}>{escape(y_label)}</text>')
    return "".join(lines)


def _x_ticks(values: Sequence[float], at: Callable[[float], float]) -> list[str]:
    """Numbers under the axis, left out where they would touch."""
    found, last = [], -100.0
    for value in values:
        x = at(value)
        if x - last >= 30:
            y = HEIGHT - BOTTOM + 16
            found.append(f'<text class="label" x="{x:.1f}" y="{y}" text-anchor="middle">{value:g}</text>')
            last = x
    return found


def _window(style: str, x: float, y: float, width: float, strength: float, tip: str) -> str:
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="11" opacity="{strength:.2f}"'
    return f'<rect class="{style}" {shape}><title>{escape(tip)}</title></rect>'


def _curve(values: Sequence[float], left: float, top: float, width: float) -> list[str]:
    """A curve of any sign; the zero line is drawn where zero lies inside the range."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = width / max(len(values), 1)
    points = " ".join(
        f"{left + (i + 0.5) * step:.1f},{top + 40 - (v - low) / span * 36:.1f}" for i, v in enumerate(values)
    )
    parts = [f'<polyline class="line s1" points="{points}"><title>saliency {low:.2f} to {high:.2f}</title></polyline>']
    parts.append(f'<text class="label" x="{left - 8}" y="{top + 24}" text-anchor="end">saliency</text>')
    if low < 0 < high:
        y = top + 40 - (0 - low) / span * 36
        parts.append(f'<line class="chance" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
    return parts


def _seconds(duration_s: float, left: float, y: float, scale: float) -> list[str]:
    steps = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800) if duration_s / step <= 10), 3600)
    ticks = [at * steps for at in range(int(duration_s // steps) + 1)]
    axis = f'<line class="grid" x1="{left}" x2="{left + duration_s * scale:.1f}" y1="{y}" y2="{y}"/>'
    marks = [
        f'<text class="label" x="{left + tick * scale:.1f}" y="{y + 15}" text-anchor="middle">{tick} s</text>'
        for tick in ticks
    ]
    return [axis, *marks]


def _figure(parts: Sequence[str], width: float, height: float, about: str) -> str:
    frame = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    return f'<svg role="img" aria-label="{escape(about)}" {frame}>{"".join(parts)}</svg>'


def legend(names: Sequence[str], style: str = "s") -> str:
    """The colours of series (`s`) or of error classes (`c`) with their names."""
    keys = (f'<span><i class="key {style}{at}"></i>{escape(name)}</span>' for at, name in enumerate(names))
    return f'<p class="legend">{"".join(keys)}</p>'
