"""`ctf search`: moments for a sentence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import CoarseOption, DeviceOption, FineOption, JsonOption, LibraryOption, find_library

if TYPE_CHECKING:
    from coarse_to_fine.types import MomentHit

BAR_CELLS = 20


def search(
    sentence: Annotated[str, typer.Argument(help="What to look for; ranks the videos, and finds the moment too.")],
    moment: Annotated[
        str | None,
        typer.Option("--moment", "-m", metavar="SENTENCE", help="A finer sentence for the moment inside the video."),
    ] = None,
    library: LibraryOption = None,
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="How many moments to show.")] = 5,
    top_videos: Annotated[int, typer.Option(min=1, help="How many videos the fine stage looks into.")] = 10,
    coarse: CoarseOption = None,
    fine: FineOption = None,
    device: DeviceOption = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the stochastic text of T-MASS.")] = 0,
    as_json: JsonOption = False,
    paths_only: Annotated[bool, typer.Option("--paths-only", help="Only the paths, one a line, best first.")] = False,
) -> None:
    """Find moments for a sentence.

    Examples:

      ctf search "a red cat jumps" --library demo/library.ctf

      ctf search "a beach with a dog and a boat" --moment "the boat leaves to the right" -k 3 --json
    """
    from coarse_to_fine.main_pipeline import Pipeline

    started = time.perf_counter()
    pipeline = Pipeline.load(find_library(library), coarse=coarse, fine=fine, device=device)
    loaded = time.perf_counter()
    hits = pipeline.search(sentence, moment=moment, top_videos=top_videos, top_moments=count, seed=seed)
    found = time.perf_counter()
    for line in pipeline.notes(sentence, moment):
        output.warn(line)
    if as_json:
        timing = {"load": (loaded - started) * 1e3, "search": (found - loaded) * 1e3}
        notes = pipeline.notes(sentence, moment)
        output.print_json(output.result_as_json(sentence, moment, hits, timing, notes=notes))
    elif paths_only:
        for path in dict.fromkeys(hit.path for hit in hits):
            typer.echo(path)
    else:
        print_hits(hits, {video.video_id: video.duration_s for video in pipeline.library.videos()})


def print_hits(hits: Sequence[MomentHit], durations: dict[str, float]) -> None:
    """Hits as a table that fits the terminal, with the place of the moment in its video as a bar."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not hits:
        typer.echo("no moment found")
        return
    table = Table(box=None, pad_edge=False)
    for name, justify in (
        ("", "right"),
        ("start", "right"),
        ("end", "right"),
        ("score", "right"),
        ("in the video", "left"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("video", overflow="fold")
    for place, hit in enumerate(hits, start=1):
        bar = position_bar(hit.start_s, hit.end_s, durations[hit.video_id])
        times = (output.clock(hit.start_s), output.clock(hit.end_s))
        table.add_row(str(place), *times, f"{hit.score:.2f}", bar, escape(output.one_line(hit.path)))
    Console(highlight=False).print(table)


def position_bar(start_s: float, end_s: float, duration_s: float) -> str:
    """The moment inside its video as a line of BAR_CELLS characters."""
    first = min(int(start_s / duration_s * BAR_CELLS), BAR_CELLS - 1)
    last = max(first + 1, round(end_s / duration_s * BAR_CELLS))
    return "·" * first + "━" * (last - first) + "·" * (BAR_CELLS - last)
