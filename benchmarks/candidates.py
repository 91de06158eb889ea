"""How many candidates must the first choice keep so that the exact first 50 of T-MASS are among them?

And what does it save? The gallery has topics: frames of a segment are two topics and common backgrounds, sentences name
a topic pair of some segment. The head is trained for a moment on other segments of the same kind, so it is not the
identity. Candidates are chosen by the cosines of their frames (`FrameCosines`); scores of the survivors are exact, so
recall is all that can be lost. Topics and backgrounds lie in `--rank` directions, as embeddings of real towers nearly
do, and texts are as long beside the noise of T-MASS as those of such towers. The frames lie in one memory-mapped file,
as a library's blocks do (12 GB for a million segments; it is deleted at the end). Prints a table and, as the last line,
the same as JSON; `--out` gets the table and a plot:

    python benchmarks/candidates.py --segments 20000
    python benchmarks/candidates.py --segments 1000000 --queries 16 --threads 2 --exact-part 20000 --folder /tmp
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from timing import median_ms
from torch import Tensor

from coarse_to_fine.coarse_grained.base import VideoCache, blocks, unit
from coarse_to_fine.coarse_grained.candidates import CandidateConfig, FrameCosines
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.loss import t_mass_loss
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.evaluation.svg import Line, line_chart

SHARES = (0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.02, 0.05)
TOP = 50
CHUNK = 4096
STYLE = (
    "svg{background:#fff;font:11px sans-serif}.line{fill:none;stroke-width:2}.grid{stroke:#ddd}.label{fill:#444}"
    ".s0{stroke:#0b6bcb;fill:#0b6bcb}.s1{stroke:#c2570c;fill:#c2570c}.line.s0,.line.s1{fill:none}"
)


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=int, default=20_000, help="V")
    parser.add_argument("--queries", type=int, default=32, help="sentences")
    parser.add_argument("--topics", type=int, default=400, help="kinds of things to be seen")
    parser.add_argument("--width", type=int, default=512, help="D")
    parser.add_argument("--rank", type=int, default=64, help="directions that topics lie in; 0: all")
    parser.add_argument("--text-norm", type=float, default=10.0, help="length of a text embedding")
    parser.add_argument("--whole", action="store_true", help="compare whole frames, not shortened ones")
    parser.add_argument("--frames", type=int, default=12, help="F")
    parser.add_argument("--steps", type=int, default=60, help="training steps of the head, 0: the identity")
    parser.add_argument("--exact-part", type=int, default=0, help="time the exact pass on so many and scale; 0: on all")
    parser.add_argument("--repeats", type=int, default=5, help="timed searches; the median counts")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything")
    parser.add_argument("--folder", type=Path, help="where the file of frames is made; default: the temporary folder")
    parser.add_argument("--out", type=Path, help="folder for candidates.md and candidates.svg")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    world = World(options)
    model = trained(world, options)
    text, _ = world.draw(options.queries, options.seed + 1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report = measure(model, world, text, Path(folder), options)
    about = {**vars(options), "torch": torch.__version__} | {"folder": None, "out": None}
    table = markdown(report, options)
    print(table)
    if options.out:
        (options.out / "candidates.md").write_text(table, encoding="utf-8")
        (options.out / "candidates.svg").write_text(plot(report), encoding="utf-8")
    print(json.dumps(about | report))


class World:
    """Segments of two topics among backgrounds, and sentences about them in directions of their own."""

    def __init__(self, options: argparse.Namespace) -> None:
        fixed = torch.Generator().manual_seed(options.seed)
        width, self.frames = options.width, options.frames
        rank = options.rank or width
        directions = torch.linalg.qr(torch.randn(width, rank, generator=fixed)).Q.T
        self.topics = unit(torch.randn(options.topics, rank, generator=fixed) @ directions)
        self.grounds = unit(torch.randn(20, rank, generator=fixed) @ directions)
        self.text_norm = options.text_norm
        self.gap = torch.randn(width, width, generator=fixed) / width**0.5
        self.noise = 0.25 / width**0.5

    def draw(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Sentences (count, D) and the frames (count, F, D) of the segments they are about."""
        own = torch.Generator().manual_seed(seed)
        shown = torch.randint(len(self.topics), (count, 2), generator=own)
        ground = torch.randint(len(self.grounds), (count, 1), generator=own)
        lengths = torch.randint(1, self.frames // 2, (count, 2), generator=own)
        place = torch.arange(self.frames).expand(count, -1)
        frames = self.grounds[ground].expand(-1, self.frames, -1).clone()
        for number, inside in enumerate((place < lengths[:, :1], place >= self.frames - lengths[:, 1:])):
            frames[inside] = self.topics[shown[:, number]].repeat_interleave(inside.sum(dim=1), dim=0)
        frames += self.noise * torch.randn(frames.shape, generator=own)
        meaning = self.topics[shown].sum(dim=1)
        text = meaning + 0.7 * meaning @ self.gap.T + self.noise * torch.randn(meaning.shape, generator=own)
        return self.text_norm * unit(text), frames


def trained(world: World, options: argparse.Namespace) -> TMass:
    model = TMass(TMassConfig(embed_dim=options.width, num_frames=options.frames))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(options.seed)
    for step in range(options.steps):
        text, frames = world.draw(64, options.seed + 1000 + step)
        loss = t_mass_loss(model(text, frames, torch.rand(text.shape, generator=generator)), model.logit_scale, 0.8)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return model.eval()


@dataclass
class Seen:
    """What one pass over the gallery leaves: all frames, the choice among them, and what they are compared with."""

    frames: Tensor
    engine: FrameCosines
    exact: Tensor
    by_mean: Tensor
    timed_caches: list[VideoCache]


def fill(model: TMass, world: World, text: Tensor, folder: Path, options: argparse.Namespace) -> Seen:
    """Draw the gallery chunk by chunk into a mapped file, with exact scores and mean frames on the way."""
    shape = (options.segments, options.frames, options.width)
    file = folder / "frames.f16"
    frames = torch.from_file(str(file), shared=True, size=shape[0] * shape[1] * shape[2], dtype=torch.float16)
    frames = frames.view(shape)
    engine = FrameCosines(directions=0) if options.whole else FrameCosines()
    seen = Seen(frames, engine, torch.empty(len(text), shape[0]), torch.empty(len(text), shape[0]), [])
    started = time.perf_counter()
    for part in blocks(options.segments, CHUNK):
        own = world.draw(part.stop - part.start, options.seed + 10_000_000 + part.start)[1].half()
        frames[part] = own
        cache = model.video_cache(own)
        seen.exact[:, part] = model.score_cached(text, cache)
        seen.by_mean[:, part] = unit(text) @ unit(unit(own.float()).mean(dim=1)).T
        if part.start < (options.exact_part or options.segments):
            seen.timed_caches.append(cache)
        left = (time.perf_counter() - started) / part.stop * (options.segments - part.stop)
        print(f"\r{part.stop} segments, about {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    for part in blocks(options.segments, 4 * CHUNK):
        engine.extend(frames[part])
    print(file=sys.stderr)
    return seen


def measure(model: TMass, world: World, text: Tensor, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    seen = fill(model, world, text, folder, options)
    best = seen.exact.topk(min(TOP, options.segments), dim=1).indices.tolist()
    timed = sum(len(cache["frames"]) for cache in seen.timed_caches)
    exact = median_ms(lambda: model.score_blocks(text[:1], seen.timed_caches), options.repeats)
    exact_ms = tuple(each * options.segments / timed for each in exact)
    seen.timed_caches.clear()
    counts = dict.fromkeys(max(TOP, round(share * options.segments)) for share in SHARES)
    rows = [curve_point(model, seen, text, best, count, exact_ms, options) for count in counts]
    return {
        "exact_ms": round(exact_ms[0], 1),
        "exact_cpu_ms": round(exact_ms[1], 1),
        "exact_timed_on": timed,
        "shortened": seen.engine.shortened,
        "default_candidates": CandidateConfig().count(options.segments),
        "rows": rows,
    }


def curve_point(
    model: TMass,
    seen: Seen,
    text: Tensor,
    best: list[list[int]],
    count: int,
    exact_ms: tuple[float, ...],
    options: argparse.Namespace,
) -> dict[str, object]:
    places = iter(range(1 << 30))

    def search() -> None:
        one = text[next(places) % len(text)].unsqueeze(0)  # another sentence each time: other frames are read
        columns = seen.engine.search(one, count)[0].sort().values
        model.score_once(one, seen.frames[columns])

    mean, worst = recall(seen.engine.search(text, count), best)
    by_mean, _ = recall(seen.by_mean.topk(count, dim=1).indices, best)
    wall, cpu = median_ms(search, options.repeats)
    return {
        "candidates": count,
        "share": round(count / len(seen.frames), 5),
        "recall": round(mean, 4),
        "worst": round(worst, 3),
        "recall_by_mean_frame": round(by_mean, 4),
        "ms_per_query": round(wall, 2),
        "cpu_ms": round(cpu, 2),
        "cost": round(wall / exact_ms[0], 4),
        "cpu_cost": round(cpu / exact_ms[1], 4),
    }


def recall(found: Tensor, best: list[list[int]]) -> tuple[float, float]:
    """Mean and smallest share of the exact first that are among the candidates."""
    hits = [len(set(row) & set(top)) / len(top) for row, top in zip(found.tolist(), best)]
    return statistics.mean(hits), min(hits)


def markdown(report: dict[str, object], options: argparse.Namespace) -> str:
    """The curve as a table."""
    names = ("candidates", "share", "recall@50", "worst sentence", "by the mean frame", "ms a query", "of exact")
    lines = [
        f"{options.segments} segments, D = {options.width}, {options.queries} sentences, {options.threads} threads. "
        f"The exact pass takes {report['exact_ms']} ms a query with caches made beforehand, timed on "
        f"{report['exact_timed_on']} segments; frames are {'shortened' if report['shortened'] else 'whole'}; a library "
        f"of this size keeps {report['default_candidates']} candidates.",
        "",
        "| " + " | ".join(names) + " |",
        "|" + "---:|" * len(names),
    ]
    for row in report["rows"]:
        cells = [row["candidates"], f"{100 * row['share']:.3g} %", row["recall"], row["worst"]]
        cells += [row["recall_by_mean_frame"], row["ms_per_query"], f"{100 * row['cost']:.1f} %"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def plot(report: dict[str, object]) -> str:
    """Recall over cost as a file of its own; without a legend, which the page around it gives."""
    rows = report["rows"]
    cost = [100 * row["cost"] for row in rows]
    lines = [
        Line("best frame and mean", cost, [100 * row["recall"] for row in rows]),
        Line("mean frame, as many candidates", cost, [100 * row["recall_by_mean_frame"] for row in rows]),
    ]
    chart = line_chart(lines, "cost, % of the exact pass", "recall@50, %", log_x=True)
    svg = chart[: chart.index("</svg>") + 6]
    opening = '<svg xmlns="http://www.w3.org/2000/svg" '
    start, _, rest = svg.replace("<svg ", opening, 1).partition(">")
    return f"{start}><style>{STYLE}</style>{rest}\n"


if __name__ == "__main__":
    main()
