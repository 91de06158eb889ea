"""One self-contained HTML page of a report: tables, plots, timelines; no script, no font, no file from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from coarse_to_fine.arguments import require_kind, require_path
from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.evaluation.columns import Metric
from coarse_to_fine.evaluation.compare import Comparison
from coarse_to_fine.evaluation.oracles import MEANING
from coarse_to_fine.evaluation.report import Report, Section, has_chance, table_cells
from coarse_to_fine.evaluation.svg import Line, interval_plot, legend, line_chart, stacked_bars, timeline

PLOTTED = 14
"""Metrics of a section that are drawn with their intervals."""

STYLE = (
    """
:root { --ink: #1c2330; --paper: #ffffff; --soft: #e6e9ef; --dim: #5c6675; --s0: #2563a8; --s1: #c2571a; --s2: #2f7d4f;
  --s3: #8a4fa3; --s4: #a08412; --s5: #5c6675; --c0: #b23a48; --c1: #d98a3d; --c2: #d9c25a; --c3: #3f8f63; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ef; --paper: #14181f; --soft: #2b323d; --dim: #99a3b3;
  --s0: #6aa9ec; --s1: #f0935a; --s2: #6cc492; --s3: #c79ae0; --s4: #d9bf58; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid var(--soft); }
th:first-child, td:first-child, td:last-child, th:last-child { text-align: left; }
td:last-child { color: var(--dim); font-size: .85rem; } .below { color: var(--c0); }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } figcaption { font-weight: 600; }
svg { max-width: 100%; height: auto; } .wide { overflow-x: auto; }
.label { font-size: 11px; fill: var(--dim); } .grid { stroke: var(--soft); } .line { fill: none; stroke-width: 2; }
.range { stroke: var(--s0); stroke-width: 5; opacity: .35; } .chance { stroke: var(--dim); stroke-dasharray: 3 2; }
.true { fill: var(--s2); } .found { fill: var(--s0); } .legend span { margin-right: 1rem; white-space: nowrap; }
.key { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: 2px; }
"""
    + "".join(
        f".line.s{at} {{ stroke: var(--s{at}); }} .dot.s{at} {{ fill: var(--s{at}); }}"
        f" .key.s{at} {{ background: var(--s{at}); }}\n"
        for at in range(6)
    )
    + "".join(f".bar.c{at} {{ fill: var(--c{at}); }} .key.c{at} {{ background: var(--c{at}); }}\n" for at in range(4))
)


def write_html(path: str | Path, report: Report, comparison: Comparison | None = None) -> None:
    """Write the page."""
    require_path(path, "path")
    require_kind(report, Report, "report", "a Report", "give what an evaluation gave")
    write_text_atomically(Path(path), to_html(report, comparison))


def to_html(report: Report, comparison: Comparison | None = None) -> str:
    """The page as text. Every number of it stands in the embedded JSON too (`#report`)."""
    data = json.dumps(report.to_json(), ensure_ascii=False).replace("<", "\\u003c")
    parts = [
        f"<h1>{escape(report.task)} on {escape(report.truth)}</h1>",
        f"<p>{escape(report.title())}<br>predictions: {escape(report.predictions)}</p>",
        _list(report.warnings),
        _figures(report.figures),
        *(_section(section) for section in report.sections),
        _comparison(comparison) if comparison is not None else "",
        _examples(report.figures.get("examples", ())),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.task)}: {escape(report.truth)}</title><style>{STYLE}</style></head>\n"
        f"<body>{''.join(parts)}\n"
        f'<script type="application/json" id="report">{data}</script></body></html>\n'
    )


def _section(section: Section) -> str:
    chance = has_chance(section.metrics)
    rows = "".join(_row(metric, chance) for metric in section.metrics)
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    names = ("metric", "value", "95 % over videos", *(("chance",) if chance else ()), "N", "rule")
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    table = f'<div class="wide"><table>{head}{rows}</table></div>'
    return f"<h2>{escape(section.title)}</h2>{note}{_intervals(section)}{table}"


def _row(metric: Metric, chance: bool) -> str:
    style = ' class="below"' if metric.below else ""
    cells = "".join(f"<td{style}>{escape(cell)}</td>" for cell in table_cells(metric, chance))
    return f"<tr>{cells}<td>{escape(metric.rule)}</td></tr>"


def _intervals(section: Section) -> str:
    rows = [
        (
            metric.name,
            metric.value,
            metric.interval.low if metric.interval else None,
            metric.interval.high if metric.interval else None,
            metric.chance,
        )
        for metric in section.metrics
        if metric.unit == "%" and metric.value is not None and "(K=" not in metric.name
    ]
    return _figure("values, 95 % intervals, chance (dashed)", interval_plot(rows[:PLOTTED])) if rows else ""


def _figures(figures: Mapping[str, Any]) -> str:
    plots = []
    if "video recall over K" in figures:
        curve = figures["video recall over K"]
        chart = line_chart([Line("coarse stage", curve["x"], curve["y"])], "K", "recall of the video, %", log_x=True)
        plots.append(_figure("Coarse stage: recall over K", chart))
    if "moment recall over K" in figures:
        lines = [Line(name, curve["x"], curve["y"]) for name, curve in figures["moment recall over K"].items()]
        plots.append(_figure("End to end: recall over K", line_chart(lines, "K", "VCMR recall, %", log_x=True)))
    if "recall over IoU" in figures:
        lines = [Line(name, curve["x"], curve["y"]) for name, curve in figures["recall over IoU"].items()]
        plots.append(_figure("Fine stage: recall over IoU", line_chart(lines, "IoU threshold", "R1, %")))
    curves = f'<div class="plots">{"".join(plots)}</div>' if plots else ""
    return curves + _error_classes(figures.get("error classes", {}))


def _error_classes(by_rows: Mapping[str, Any]) -> str:
    plots = [
        _figure(f"by {name}, {rows}", stacked_bars(parts, MEANING))
        for rows, groups in by_rows.items()
        for name, parts in groups.items()
        if parts
    ]
    if not plots:
        return ""
    key = legend([f"{name} {meaning}" for name, meaning in MEANING.items()], "c")
    return f'<h2>Where queries are lost (IoU 0.5)</h2>{key}<div class="plots">{"".join(plots)}</div>'


def _examples(examples: Any) -> str:
    found = [
        f"<h3>{escape(example['text'] or example['query_id'])}</h3>"
        f"<p>{escape(str(example['query_id']))} in {escape(str(example['video_id']))}, IoU {example['iou']:.2f}</p>"
        f"{_figure('', timeline(example['duration_s'], example['true'], example['predicted'], example['saliency']))}"
        for example in examples
    ]
    note = "<p>Saliency is a rank score of any sign: only its order within one video means something.</p>"
    return f"<h2>Examples, from the worst to the best first span</h2>{note}{''.join(found)}" if found else ""


def _comparison(found: Comparison) -> str:
    head = "<tr><th>metric</th><th>a</th><th>b</th><th>b - a</th><th>95 % over videos</th><th>decided</th></tr>"
    rows = "".join(
        f"<tr><td>{escape(change.name)}</td><td>{change.a:.2f}</td><td>{change.b:.2f}</td>"
        f"<td>{change.paired.difference:+.2f}</td>"
        f"<td>{change.paired.interval.low:+.2f} – {change.paired.interval.high:+.2f}</td>"
        f"<td>{'yes' if change.paired.decided else 'no'}</td></tr>"
        for change in found.changes
    )
    queries = "".join(
        f"<h3>{heading}: {len(items)}</h3>"
        + _list([f"{item.query_id} {item.text} ({item.a:.2f} → {item.b:.2f})" for item in items[:50]])
        for heading, items in (("won", found.won), ("lost", found.lost))
    )
    title = f"<h2>a = {escape(found.a)}, b = {escape(found.b)}</h2><p>queries by {escape(found.deciding)}</p>"
    return f"{title}<table>{head}{rows}</table>{queries}"


def _figure(caption: str, body: str) -> str:
    title = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="wide">{title}{body}</figure>'


def _list(items: Any) -> str:
    return f"<ul>{''.join(f'<li>{escape(str(item))}</li>' for item in items)}</ul>" if items else ""
