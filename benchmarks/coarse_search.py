"""How fast is an exact T-MASS ranking of many segments: the plain path, caches made beforehand, 256 sentences at once?

Random weights and features at D = 512, F = 12, S = 20. `plain` scores blocks of segments without any cache, `one by
one` one segment after another as the release's evaluation does. `search` is all of stage one for one sentence, ranks
included, `search_many` the same for a batch, in milliseconds a sentence. The floor is one pass that reads the bytes of
the caches and does nothing with them. The two paths are compared before anything is timed. Prints a table and, as the
last line, the same as JSON:

    python benchmarks/coarse_search.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from timing import median_ms
from torch import Tensor

from coarse_to_fine.coarse_grained.candidates import CandidateConfig
from coarse_to_fine.coarse_grained.retrieve import CoarseRetriever
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass

BLOCK = 1000
"""Segments of a block of the gallery; all blocks hold the same, each in memory of its own."""


@dataclass(frozen=True)
class FrameBlock:
    segment_ids: list[str]
    frames: Tensor


class Gallery:
    """Blocks of segments as a library gives them."""

    generation = 0

    def __init__(self, frames: Tensor, size: int) -> None:
        self._frames, self._size = frames, size

    def frames_matrix(self) -> Iterator[FrameBlock]:
        for start in range(0, self._size, BLOCK):
            count = min(BLOCK, self._size - start)
            yield FrameBlock([f"v{start + row:07d}#0" for row in range(count)], self._frames[:count].clone())


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", type=int, nargs="*", default=[100, 1000], help="gallery sizes of the plain path")
    parser.add_argument("--cached", type=int, nargs="*", default=[100, 1000, 10_000, 100_000], help="sizes with caches")
    parser.add_argument("--batched", type=int, nargs="*", default=[100, 1000, 10_000], help="sizes of search_many")
    parser.add_argument("--compact", action="store_true", help="keep the caches in float16 where that may be done")
    parser.add_argument("--width", type=int, default=512, help="D")
    parser.add_argument("--frames", type=int, default=12, help="F")
    parser.add_argument("--trials", type=int, default=20, help="S")
    parser.add_argument("--queries", type=int, default=256, help="sentences of search_many")
    parser.add_argument("--repeats", type=int, default=7, help="runs; the median counts")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and features")
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = TMass(TMassConfig(embed_dim=options.width, num_frames=options.frames, trials=options.trials)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    rows = measure(model, options)
    print_table(rows)
    print(json.dumps({**vars(options), "torch": torch.__version__, "machine": machine(), "rows": rows}))


def measure(model: TMass, options: argparse.Namespace) -> list[dict[str, object]]:
    text = torch.randn(max(1, options.queries), options.width)
    frames = torch.randn(BLOCK, options.frames, options.width).half()
    agree = (model.score(text[:4], frames) - model.score_cached(text[:4], model.video_cache(frames))).abs().max()
    print(f"largest difference of the two paths: {float(agree):.1e}\n", flush=True)
    rows = []
    for size in options.plain:
        own = frames[:size]
        rows.append(row("plain", size, 1, own.nbytes, lambda g=own: model.score(text[:1], g), options))
        rows.append(
            row("one by one", size, 1, own.nbytes, lambda g=own: [model.score(text[:1], v[None]) for v in g], options)
        )
    for size in sorted({*options.cached, *options.batched}):
        rows += searches(model, text, Gallery(frames, size), size, options)
    return rows


def searches(
    model: TMass, text: Tensor, gallery: Gallery, size: int, options: argparse.Namespace
) -> list[dict[str, object]]:
    whole = CandidateConfig(from_segments=10**9)
    retriever = CoarseRetriever(model, gallery, memory_bytes=1 << 40, compact=options.compact, candidates=whole)
    retriever.rank(text[:1])
    caches = [block.cache or {} for block in retriever._content.blocks]  # type: ignore[union-attr]
    held = sum(value.nbytes for cache in caches for value in cache.values())
    found = []
    if size in options.cached:
        one = row("search", size, 1, held, lambda: retriever.rank(text[:1]), options)
        values = [value.view(torch.float32) for cache in caches for value in cache.values()]
        floor = median_ms(lambda: [value.sum() for value in values], options.repeats)
        found.append(one | {"read_floor_ms": round(floor[0], 3)})
    if size in options.batched and options.queries:
        found.append(row("search_many", size, len(text), held, lambda: retriever.rank(text), options))
    return found


def row(
    path: str, size: int, queries: int, held: int, work: Callable[[], object], options: argparse.Namespace
) -> dict[str, object]:
    before = memory_now()
    forget_peak()
    wall, cpu = median_ms(work, options.repeats)
    return {
        "path": path,
        "segments": size,
        "queries": queries,
        "ms_per_query": round(wall / queries, 3),
        "cpu_ms_per_query": round(cpu / queries, 3),
        "megabytes_read": round(held / 2**20, 1),
        "megabytes_on_top": round(max(0, memory_peak() - before) / 2**20, 1),
        "megabytes_at_most": round(memory_peak() / 2**20),
    }


def memory_now() -> int:
    return _status("VmRSS") or 0


def memory_peak() -> int:
    """Largest memory since `forget_peak`, where the system can forget it (Linux)."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)


def print_table(rows: list[dict[str, object]]) -> None:
    known = {(each["path"], each["segments"]): each["ms_per_query"] for each in rows}
    names = ("path", "segments", "queries", "ms/query", "CPU ms", "x 1 by 1", "x search", "MB read", "MB more", "floor")
    print("| " + " | ".join(names) + " |\n" + "|---" + "|---:" * (len(names) - 1) + "|")
    for each in rows:
        ratios = [
            f"{known[path, each['segments']] / each['ms_per_query']:.3g}" if (path, each["segments"]) in known else "-"
            for path in ("one by one", "search")
        ]
        cells = [each["path"], each["segments"], each["queries"], each["ms_per_query"], each["cpu_ms_per_query"]]
        cells += [*ratios, each["megabytes_read"], each["megabytes_on_top"], each.get("read_floor_ms", "-")]
        print("| " + " | ".join(map(str, cells)) + " |")


def machine() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()


if __name__ == "__main__":
    main()
