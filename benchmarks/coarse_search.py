"""How fast is an exact T-MASS ranking over many segments: the plain path, or caches made at index time?

Random weights and features at D = 512, F = 12, S = 20, one query at a time. `plain` scores blocks of segments, `one by
one` scores one segment after another as the release's evaluation does. The floor is one pass that reads the bytes of
the cache and does nothing with them. Prints a table and, as the last line, the same as JSON:

    python benchmarks/coarse_search.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from coarse_to_fine.coarse_grained.base import VideoCache
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass

DISTINCT = 1000
"""Segments whose caches are computed; larger galleries repeat them, which costs a search the same."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", type=int, nargs="*", default=[100, 1000], help="gallery sizes of the plain path")
    parser.add_argument("--cached", type=int, nargs="*", default=[100, 1000, 10_000, 100_000], help="sizes with caches")
    parser.add_argument("--compact", action="store_true", help="measure the float16 caches too")
    parser.add_argument("--width", type=int, default=512, help="D")
    parser.add_argument("--frames", type=int, default=12, help="F")
    parser.add_argument("--trials", type=int, default=20, help="S")
    parser.add_argument("--queries", type=int, default=256, help="sentences of the batched run, 0 leaves it out")
    parser.add_argument("--batched", type=int, default=1000, help="gallery size of the batched run")
    parser.add_argument("--repeats", type=int, default=7, help="runs; the median counts")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and features")
    options = parser.parse_args()
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
    frames = torch.randn(DISTINCT, options.frames, options.width).half()
    rows = []
    for size in options.plain:
        gallery = repeated(frames, size)
        rows.append(row("plain", size, 1, gallery.nbytes, timed(lambda g=gallery: model.score(text[:1], g), options)))
        if size <= DISTINCT:
            times = timed(lambda g=gallery: [model.score(text[:1], one[None]) for one in g], options)
            rows.append(row("one by one", size, 1, gallery.nbytes, times))
    cache = model.video_cache(frames)
    agree = (model.score(text[:1], frames) - model.score_cached(text[:1], cache)).abs().max()
    print(f"largest difference of the two paths on {DISTINCT} segments: {float(agree):.1e}\n")
    for name, kept in [("cached", cache)] + ([("compact", model.compact(cache))] if options.compact else []):
        for size in options.cached:
            whole = {key: repeated(value, size) for key, value in kept.items()}
            rows.append(search_row(model, name, text[:1], whole, options))
    if options.queries:
        whole = {key: repeated(value, options.batched) for key, value in cache.items()}
        rows.append(search_row(model, "batched", text, whole, options))
    return rows


def search_row(
    model: TMass, name: str, text: Tensor, cache: VideoCache, options: argparse.Namespace
) -> dict[str, object]:
    times = timed(lambda: model.score_cached(text, cache), options)
    floor = timed(lambda: [value.view(torch.float32).sum() for value in cache.values()], options)
    size = sum(value.nbytes for value in cache.values())
    return row(name, len(cache["frames"]), len(text), size, times) | {"read_floor_ms": round(floor[0], 2)}


def repeated(rows: Tensor, size: int) -> Tensor:
    return torch.cat([rows] * (size // len(rows) + 1))[:size].clone()


def timed(work: Callable[[], object], options: argparse.Namespace) -> tuple[float, float]:
    """Median milliseconds of the clock on the wall and of the process's CPU time."""
    work()
    wall, cpu = [], []
    for _ in range(options.repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
    return statistics.median(wall), statistics.median(cpu)


def row(path: str, size: int, queries: int, held: int, times: tuple[float, float]) -> dict[str, object]:
    return {
        "path": path,
        "segments": size,
        "queries": queries,
        "ms_per_query": round(times[0] / queries, 3),
        "cpu_ms_per_query": round(times[1] / queries, 3),
        "megabytes": round(held / 2**20, 1),
        "peak_rss_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def print_table(rows: list[dict[str, object]]) -> None:
    plain = {each["segments"]: each["cpu_ms_per_query"] for each in rows if each["path"] == "plain"}
    names = ("path", "segments", "queries", "ms/query", "CPU ms", "x plain", "MB", "floor ms")
    print(" ".join(f"{name:>10}" for name in names))
    for each in rows:
        base = plain.get(each["segments"])
        ratio = f"{base / each['cpu_ms_per_query']:.2g}" if base else "-"
        times = (each["ms_per_query"], each["cpu_ms_per_query"], ratio)
        cells = (each["path"], each["segments"], each["queries"], *times, each["megabytes"])
        print(" ".join(f"{cell:>10}" for cell in (*cells, each.get("read_floor_ms", "-"))))


def machine() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()


if __name__ == "__main__":
    main()
