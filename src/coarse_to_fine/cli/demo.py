"""`ctf demo`: the whole job on videos that are drawn on the spot, with the truth beside each hit."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import CoarseOption, FineOption, JsonOption
from coarse_to_fine.cli.out_paths import folder_to_write
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from coarse_to_fine.data_generation.world import DemoSearch
    from coarse_to_fine.main_pipeline import Pipeline
    from coarse_to_fine.types import MomentHit

SHOWN = 3


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Videos and library go here.", callback=folder_to_write)
    ] = Path("demo"),
    coarse: CoarseOption = None,
    fine: FineOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw and threads that decode.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Draw a small world as MP4 files, index them, search them and print the hits beside the truth.

    Examples:

      ctf demo

      ctf demo --out /tmp/demo --json
    """
    from coarse_to_fine.data_generation.world import demo_searches, demo_world
    from coarse_to_fine.library import Library
    from coarse_to_fine.main_pipeline import Pipeline

    started = time.perf_counter()
    with output.progress_bar("drawing", quiet=as_json) as advance:
        world = demo_world(out, workers=workers, progress=lambda done, total: advance(done, total, ""))
    drawn = time.perf_counter()
    with Library.open_or_create(out / "library.ctf", encoder="tiny-world") as library:
        with output.progress_bar("indexing", quiet=as_json) as advance:
            report = library.add(out / "videos", workers=workers, progress=advance)
        indexed = time.perf_counter()
        pipeline = Pipeline.load(library, coarse=coarse, fine=fine)
        results = [run_search(pipeline, search) for search in demo_searches()]
        videos = len(library)
    searched = time.perf_counter()
    timing = {"draw": drawn - started, "index": indexed - drawn, "search": searched - indexed}
    if as_json:
        output.print_json({"library": str(library.path), "videos": videos, "searches": results, "timing_s": timing})
    else:
        print_results(results)
        typer.echo(
            f"\n{counted(world.videos, 'video')} drawn in {timing['draw']:.0f} s, {len(report.added)} indexed in "
            f"{timing['index']:.0f} s, {counted(len(results), 'search', 'searches')} in {timing['search']:.1f} s\n"
            f'Search them yourself:  ctf search "a purple tree falls" --library {shlex.quote(str(out / "library.ctf"))}'
        )
    if report.failed:
        raise typer.Exit(1)


def run_search(pipeline: Pipeline, search: DemoSearch) -> dict[str, Any]:
    """One example search in the public JSON form, with the truth and each hit's IoU."""
    started = time.perf_counter()
    hits = pipeline.search(search.query, moment=search.moment, top_moments=SHOWN)
    timing = {"search": (time.perf_counter() - started) * 1e3}
    truth = {"video_id": search.video_id, "windows": [list(window) for window in search.windows_s]}
    result = output.result_as_json(search.query, search.moment, hits, timing, kind=search.kind, truth=truth)
    for row, hit in zip(result["hits"], hits):
        row["iou"] = round(true_iou(hit, search.video_id, search.windows_s), 3)
    return result


def true_iou(hit: MomentHit, video_id: str, windows_s: Sequence[tuple[float, float]]) -> float:
    """Best IoU of a hit with the true windows; 0 in another video."""
    import torch

    from coarse_to_fine.spans import pairwise_iou

    if hit.video_id != video_id:
        return 0.0
    found = torch.tensor([[hit.start_s, hit.end_s]], dtype=torch.float64)
    return float(pairwise_iou(found, torch.tensor(windows_s, dtype=torch.float64))[0].max())


def print_results(results: Sequence[dict[str, Any]]) -> None:
    """For each search the sentence, the truth, and the first hits with what they are worth."""
    for result in results:
        typer.echo(f"\n{result['kind']}: {result['query']}")
        if result["moment"]:
            typer.echo(f"  moment: {result['moment']}")
        truth = result["truth"]
        windows = ", ".join(output.clock_range(start, end) for start, end in truth["windows"])
        typer.echo(f"  truth    {truth['video_id']:<14} {windows}")
        for place, hit in enumerate(result["hits"], start=1):
            span = output.clock_range(hit["start_s"], hit["end_s"])
            said = verdict(result["kind"], hit["video_id"] == truth["video_id"], hit["iou"])
            typer.echo(f"  hit {place}    {hit['video_id']:<14} {span:<17} score {hit['score']:.2f}  {said}")


def verdict(kind: str, right_video: bool, iou: float) -> str:
    """How good a hit is, in words; a caption of a whole video has no moment of its own."""
    if not right_video:
        return "another video"
    return "right video" if kind == "coarse" else f"IoU {iou:.2f}"
