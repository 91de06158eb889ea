"""`ctf search`: moments for a sentence, a picture, or many sentences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.cli.out_paths import file_to_write
from coarse_to_fine.cli.plot import draw
from coarse_to_fine.cli.question import Question, with_question

if TYPE_CHECKING:
    from coarse_to_fine.main_pipeline import Pipeline, Query
    from coarse_to_fine.types import MomentHit

BAR_CELLS = 20
BAR = ("·", "━")
BAR_IN_ASCII = (".", "=")


@with_question
def search(
    question: Question,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw frames and saliency curve of the best hit into this picture.",
            callback=file_to_write,
        ),
    ] = None,
    play: Annotated[bool, typer.Option("--open", help="Start a player with the best hit at its time.")] = False,
    player: Annotated[
        str | None, typer.Option(metavar="NAME", help="Player for --open: mpv, vlc, mplayer or ffplay; default: any.")
    ] = None,
    paths_only: Annotated[bool, typer.Option("--paths-only", help="Only the paths, one a line, best first.")] = False,
    curves: Annotated[
        bool,
        typer.Option("--curves/--no-curves", help="With --json: the saliency of each video found, one value a clip."),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Find moments for a sentence, a picture, or many sentences.

    The sentence ranks the videos; with --moment a second, finer one locates the moment inside them. Where no moment is
    found a line says so, and the exit code is 0.

    Examples:

      ctf search "a purple tree falls" --library demo/library.ctf

      ctf search "a beach with a dog and a boat" --moment "the boat leaves to the right" -k 3 --json

      ctf search "a dog" + "snow" - "night" --path "*/2024/*" --min-score 0.3

      ctf search --image dog.jpg --since 30d --plot best.png --open

      cat sentences.txt | ctf search - --json
    """
    started = time.perf_counter()
    asked, pipeline = question.ready()
    loaded = time.perf_counter()
    found = question.search(pipeline, asked)
    timing = {"load": (loaded - started) * 1e3, "search": (time.perf_counter() - loaded) * 1e3}
    if as_json:
        output.print_json(results_as_json(pipeline, asked, found, timing, curves))
    elif paths_only:
        for path in dict.fromkeys(hit.path for hits in found for hit in hits):
            typer.echo(path)
    else:
        print_results(pipeline, asked, found)
    best = next(((query, hits[0]) for query, hits in zip(asked, found) if hits), None)
    if plot is not None and best is not None:
        draw(best[0], best[1].path, pipeline.moments(best[0], best[1].video_id), plot, shown=best[1])
        output.warn(f"the best hit is drawn in {plot}")
    if play and best is not None:
        play_hit(best[1], player)


def results_as_json(
    pipeline: Pipeline,
    asked: Sequence[Query],
    found: Sequence[Sequence[MomentHit]],
    timing_ms: dict[str, float],
    curves: bool,
) -> dict[str, Any]:
    """The public JSON form: one search, or `searches` where there are several sentences."""
    clip_seconds = pipeline.library.sampling.clip_seconds
    saliency = saliency_by_video(pipeline, asked, found) if curves else [{} for _ in asked]
    results = [
        output.result_as_json(
            query.title,
            query.moment,
            hits,
            timing_ms,
            clip_seconds=clip_seconds,
            notes=pipeline.notes(query),
            **({"saliency": own} if curves else {}),
        )
        for query, hits, own in zip(asked, found, saliency, strict=True)
    ]
    if len(results) == 1:
        return results[0]
    for result in results:
        del result["timing_ms"]
    return {"searches": results, "timing_ms": {name: round(value, 2) for name, value in timing_ms.items()}}


def saliency_by_video(
    pipeline: Pipeline, asked: Sequence[Query], found: Sequence[Sequence[MomentHit]]
) -> list[dict[str, list[float]]]:
    """For each query the curves of the videos of its hits, by their ids; a rank score of any sign, one value a clip."""
    pairs = [(row, video) for row, hits in enumerate(found) for video in dict.fromkeys(hit.video_id for hit in hits)]
    curves: list[dict[str, list[float]]] = [{} for _ in asked]
    for (row, video), moments in zip(pairs, pipeline.moments_many([(asked[row], video) for row, video in pairs])):
        curves[row][video] = [round(value, output.SALIENCY_DIGITS) for value in moments.saliency.tolist()]
    return curves


def print_results(pipeline: Pipeline, asked: Sequence[Query], found: Sequence[Sequence[MomentHit]]) -> None:
    """A table of hits a query, under the query where there are several."""
    videos = {hit.video_id for hits in found for hit in hits}
    durations = {video_id: pipeline.library.video(video_id).duration_s for video_id in videos}
    for query, hits in zip(asked, found):
        if len(asked) > 1:
            typer.echo(f"\n{query.title}")
        print_hits(hits, durations)


def print_hits(hits: Sequence[MomentHit], durations: dict[str, float]) -> None:
    """Hits as a table that fits the terminal, with the place of the moment in its video as a bar."""
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
        times = output.clocks(hit.start_s, hit.end_s)
        table.add_row(str(place), *times, f"{hit.score:.2f}", bar, output.linked_path(hit.path))
    output.print_table(table)


def position_bar(start_s: float, end_s: float, duration_s: float) -> str:
    """The moment inside its video as a line of BAR_CELLS characters."""
    first = min(int(start_s / duration_s * BAR_CELLS), BAR_CELLS - 1)
    last = max(first + 1, round(end_s / duration_s * BAR_CELLS))
    around, inside = BAR if output.stdout_has("".join(BAR)) else BAR_IN_ASCII
    return around * first + inside * (last - first) + around * (BAR_CELLS - last)


def play_hit(hit: MomentHit, player: str | None) -> None:
    """Start the player; say where the moment is if the player cannot start there."""
    from coarse_to_fine.hits.players import open_hit

    if not open_hit(hit, player):
        output.warn(f"this player starts at the beginning; the moment is at {output.clock(hit.start_s)}")
