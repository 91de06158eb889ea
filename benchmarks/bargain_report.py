"""The report of `bargain.py` as JSON, as a table and as a plot."""

from __future__ import annotations

import json
import sys
from pathlib import Path

AIM, AIM_SHARE = 0.98, 0.02
"""At least this share of the exhaustive result, at this share of its fine-stage cost."""


def write(folder: Path, report: dict[str, object]) -> None:
    (folder / "bargain.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "bargain.md").write_text(markdown(report), encoding="utf-8")
    try:
        draw(folder / "bargain.png", report)
    except ImportError:
        print('no plot: matplotlib is missing; pip install "coarse-to-fine[plots]"', file=sys.stderr)


def markdown(report: dict[str, object]) -> str:
    """A table over K; in brackets the share of the exhaustive result."""
    names = list(report["exhaustive"]["recall"])
    header = ["videos K", "fine-stage cost", "right video among K", *names, "ms a search", "CPU ms"]
    lines = [
        f"{report['coarse']} x {report['fine']} on {report['segments']} segments of {report['videos']} videos, "
        f"{report['queries']} sentences of the split {report['split']}; fusion {json.dumps(report['fusion'])}; "
        f"times are medians of {report['timed']} searches on {report['threads']} threads.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---:|" * len(header),
    ]
    for row in report["curve"]:
        cells = [f"{row['recall'][name]:.1f} ({in_percent(row['of_exhaustive'][name])})" for name in names]
        start = [str(row["k"]), f"{100 * row['fine_cost']:.2f} %", f"{row['right_video_among_k']:.1f} %"]
        lines.append("| " + " | ".join([*start, *cells, f"{row['ms']:.0f}", f"{row['cpu_ms']:.0f}"]) + " |")
    whole = report["exhaustive"]
    spent = [f"{whole['ms']:.0f}", f"{whole['cpu_ms']:.0f}"]
    for title, key, times in (
        ("all", "recall", spent),
        ("all, order of the fine stage alone", "recall_by_fine_stage_alone", ["", ""]),
    ):
        cells = [f"{whole[key][name]:.1f}" for name in names]
        lines.append("| " + " | ".join([title, "100 %", "100 %", *cells, *times]) + " |")
    return "\n".join(lines) + "\n"


def in_percent(kept: dict[str, object]) -> str:
    if kept["share"] is None:
        return "-"
    return f"{100 * kept['share']:.0f} %, {100 * kept['interval'][0]:.0f}-{100 * kept['interval'][1]:.0f}"


def draw(path: Path, report: dict[str, object]) -> None:
    """Recall and time over the share of the fine stage's cost."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curve, whole = report["curve"], report["exhaustive"]
    cost = [100 * row["fine_cost"] for row in curve] + [100.0]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name in whole["recall"]:
        values = [row["recall"][name] for row in curve] + [whole["recall"][name]]
        (line,) = left.plot(cost, values, marker="o", markersize=4, label=name)
        left.axhline(AIM * whole["recall"][name], color=line.get_color(), linestyle=":", linewidth=1)
    left.set_ylabel("moments found in the whole library, %")
    left.set_title("quality; dotted: 98 % of the exhaustive search", fontsize=10)
    left.set_ylim(bottom=0)
    left.legend(fontsize=8)
    right.plot(cost, [row["ms"] for row in curve] + [whole["ms"]], marker="o", markersize=4, color="black")
    right.axhline(whole["stage_one_ms"], color="gray", linestyle=":", linewidth=1)
    for k, x, y in zip([row["k"] for row in curve], cost, [row["ms"] for row in curve]):
        right.annotate(f"K={k}", (x, y), textcoords="offset points", xytext=(4, -10), fontsize=7)
    right.set_yscale("log")
    right.set_ylabel("ms a search")
    right.set_title("time; dotted: sentence and coarse stage alone", fontsize=10)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.axvline(100 * AIM_SHARE, color="gray", linewidth=0.8)
        axes.set_xlabel("fine-stage cost, % of the exhaustive search")
        axes.grid(alpha=0.3)
    figure.suptitle(f"{report['coarse']} x {report['fine']}, {report['segments']} segments", fontsize=11)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
