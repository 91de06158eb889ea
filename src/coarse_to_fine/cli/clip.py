"""`ctf clip`: moments cut out into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.cli.question import Question, with_question
from coarse_to_fine.errors import UserError

if TYPE_CHECKING:
    from coarse_to_fine.hits.clips import CutReport
    from coarse_to_fine.types import MomentHit


@with_question
def clip(
    question: Question,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the clips; one of the same name is replaced.")
    ] = Path("clips"),
    reel: Annotated[
        Path | None, typer.Option("--reel", metavar="FILE", help="One MP4 with all hits instead of one a hit.")
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions/--no-captions", help="Name and time of each hit in the picture of the reel.")
    ] = True,
    pad: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Added before and after each moment.")] = 0.0,
    max_height: Annotated[
        int | None, typer.Option(min=16, metavar="PIXELS", help="Scale larger pictures down to this height.")
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Do not code anew: fast, no loss, starts at the key frame before the moment.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search, and cut the moments into MP4 files (H.264, AAC), or join them into one reel.

    Exit code 1 if a moment could not be cut: it gets one line, the others are cut.

    Examples:

      ctf clip "a red cat jumps" --library demo/library.ctf --out clips --pad 1

      ctf clip "a dog" --copy --json --library videos.ctf

      ctf clip "a goal" -k 20 --min-score 0.3 --reel goals.mp4 --max-height 480 --library videos.ctf
    """
    asked = question.asked()
    pipeline = question.pipeline()
    hits = [hit for own in question.search(pipeline, asked) for hit in own]
    if not hits:
        output.warn("no moment found; nothing is cut")
        raise typer.Exit(1)
    if reel is not None:
        if copy:
            raise UserError("there is --reel and --copy; expected one of them: a reel is coded anew; leave one out")
        write_reel(hits, reel, captions, pad, max_height, as_json)
    else:
        write_clips(hits, out, pad, max_height, copy, as_json)


def write_clips(
    hits: list[MomentHit], out: Path, pad: float, max_height: int | None, copy: bool, as_json: bool
) -> None:
    """One file a hit; exit code 1 if one could not be cut."""
    from coarse_to_fine.hits.clips import cut_hits

    with output.progress_bar("cutting", quiet=as_json) as advance:
        report = cut_hits(hits, out, pad_s=pad, max_height=max_height, copy=copy, progress=advance)
    if as_json:
        output.print_json(report_as_json(report, hits))
    else:
        for path, reason in report.failed:
            output.warn(f"{output.one_line(path)}: {reason}")
        for _, file in report.written:
            typer.echo(output.one_line(str(file)))
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
    return {
        "clips": [{"clip": str(file), **output.hit_as_json(hits[place - 1])} for place, file in report.written],
        "failed": [{"path": path, "reason": reason} for path, reason in report.failed],
    }
