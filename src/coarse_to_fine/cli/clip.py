"""`ctf clip`: moments cut out into files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.cli.out_paths import file_to_write, folder_to_write
from coarse_to_fine.cli.question import Question, with_question
from coarse_to_fine.errors import UserError

if TYPE_CHECKING:
    from coarse_to_fine.hits.clips import Coding, CutReport
    from coarse_to_fine.types import MomentHit


@with_question
def clip(
    question: Question,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the clips; one of the same name is replaced.",
            callback=folder_to_write,
        ),
    ] = Path("clips"),
    reel: Annotated[
        Path | None,
        typer.Option(
            "--reel", metavar="FILE", help="One MP4 with all hits instead of one a hit.", callback=file_to_write
        ),
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions/--no-captions", help="Name and time of each hit in the picture of the reel.")
    ] = True,
    pad: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Added before and after each moment.")] = 0.0,
    max_height: Annotated[
        int | None, typer.Option(min=16, metavar="PIXELS", help="Scale larger pictures down to this height.")
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Code nothing anew: no loss, starts at the key frame before the moment.")
    ] = False,
    recode: Annotated[
        bool, typer.Option("--recode", help="Code all anew as H.264 and AAC, upright, for players that take no more.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search, and cut the moments into MP4 files to the frame, or join them into one reel.

    H.264 pictures are copied without loss as far as the cut allows, only those up to the first key frame are coded
    anew; other pictures all are, as H.264, and a line says so. Exit code 1 if a moment could not be cut: it gets one
    line, the others are cut. Where no moment is found a line says so, nothing is cut, and the exit code is 0.

    Examples:

      ctf clip "a purple tree falls" --library demo/library.ctf --out clips --pad 1

      ctf clip "a dog" --copy --json --library videos.ctf

      ctf clip "a goal" -k 20 --min-score 0.3 --reel goals.mp4 --max-height 480 --library videos.ctf
    """
    if copy + recode + (reel is not None) > 1:
        raise UserError("there are several of --reel, --copy and --recode; expected one of them; leave the others out")
    asked, pipeline = question.ready()
    hits = [hit for own in question.search(pipeline, asked) for hit in own]
    if not hits:
        output.warn("no moment found; nothing is cut")
        if as_json:
            output.print_json({"reel": None, "hits": []} if reel is not None else {"clips": [], "failed": []})
    elif reel is not None:
        write_reel(hits, reel, captions, pad, max_height, as_json)
    else:
        write_clips(hits, out, pad, max_height, "none" if copy else "all" if recode else "least", as_json)


def write_clips(
    hits: list[MomentHit], out: Path, pad: float, max_height: int | None, coding: Coding, as_json: bool
) -> None:
    """One file a hit; exit code 1 if one could not be cut."""
    from coarse_to_fine.hits.clips import cut_hits

    with output.progress_bar("cutting", quiet=as_json) as advance:
        report = cut_hits(hits, out, pad_s=pad, max_height=max_height, coding=coding, progress=advance)
    if as_json:
        output.print_json(report_as_json(report, hits))
    else:
        for path, reason in report.failed:
            output.warn(f"{output.one_line(path)}: {reason}")
        for reason, count in Counter(clip.reason for _, clip in report.written if clip.reason).items():
            output.warn(f"{count} of {len(hits)} coded anew as a whole: {reason}")
        for _, clip in report.written:
            typer.echo(output.one_line(str(clip.path)))
    if report.failed:
        raise typer.Exit(1)


def write_reel(
    hits: list[MomentHit], reel: Path, captions: bool, pad: float, max_height: int | None, as_json: bool
) -> None:
    """All hits in one file."""
    from coarse_to_fine.hits.clips import make_reel

    make_reel(hits, reel, pad_s=pad, max_height=max_height, captions=captions)
    if as_json:
        output.print_json({"reel": str(reel), "hits": [output.hit_as_json(hit) for hit in hits]})
    else:
        typer.echo(str(reel))


def report_as_json(report: CutReport, hits: list[MomentHit]) -> dict[str, Any]:
    """The public JSON form: each clip with the hit that it shows."""
    clips = [
        {
            "clip": str(clip.path),
            "clip_start_s": round(clip.start_s, 3),
            "coded": clip.coded,
            "reason": clip.reason,
            **output.hit_as_json(hits[place - 1]),
        }
        for place, clip in report.written
    ]
    return {"clips": clips, "failed": [{"path": path, "reason": reason} for path, reason in report.failed]}
