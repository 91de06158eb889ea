"""`ctf library`: look after a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption, LibraryOption, find_library
from coarse_to_fine.cli.out_paths import folder_to_write
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from coarse_to_fine.library import MergeReport

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look after a library: info, list, check, remove, compact, export, merge."""


@app.command("info")
def info(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Print the library in numbers: encoder, videos, hours, size, failed files.

    Examples:

      ctf library info --library videos.ctf

      ctf library info --library videos.ctf --json
    """
    from coarse_to_fine.library import Library

    with Library.open(find_library(library), read_only=True) as opened:
        numbers = opened.info()
    if as_json:
        output.print_json({**asdict(numbers), "sampling": numbers.sampling.model_dump()})
        return
    typer.echo(f"{numbers.path}")
    typer.echo(
        f"  {counted(numbers.videos, 'video')}, {output.clock(numbers.duration_s)} in "
        f"{counted(numbers.segments, 'segment')}"
    )
    typer.echo(f"  encoder {numbers.encoder} ({numbers.encoder_fingerprint[:12]}), {numbers.embed_dim} channels")
    typer.echo(
        f"  {numbers.bytes / 1e6:.1f} MB in {counted(numbers.blocks, 'block')}, "
        f"{counted(numbers.copies, 'copy', 'copies')} of stored videos"
    )
    for path, reason in numbers.failures:
        typer.echo(f"  failed: {output.one_line(path)}: {reason}")


@app.command("list")
def list_videos(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """List the videos: id, length, size, path.

    Examples:

      ctf library list --library videos.ctf

      ctf library list --library videos.ctf --json
    """
    from rich.markup import escape
    from rich.table import Table

    from coarse_to_fine.library import Library

    with Library.open(find_library(library), read_only=True) as opened:
        videos = opened.videos()
    if as_json:
        output.print_json([asdict(video) for video in videos])
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("id", overflow="fold")
    for name in ("length", "picture", "segments"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("path", overflow="fold")
    for video in videos:
        size = f"{video.width}x{video.height}"
        table.add_row(
            escape(output.one_line(video.video_id)),
            output.clock(video.duration_s),
            size,
            str(video.segment_count),
            output.linked_path(video.path),
        )
    output.print_table(table)


@app.command("check")
def check(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Read and hash everything again; exit code 1 if something is wrong.

    Examples:

      ctf library check --library videos.ctf

      ctf library check --library videos.ctf --json
    """
    from coarse_to_fine.library import Library

    with Library.open(find_library(library), read_only=True) as opened:
        report = opened.check()
    if as_json:
        output.print_json(asdict(report))
    else:
        for problem in report.problems:
            output.warn(problem)
        for path in report.missing_files:
            output.warn(f"{output.one_line(path)}: the file is not there; its features are kept")
        typer.echo(
            f"{counted(report.videos, 'video')} in {counted(report.blocks, 'block')} read, "
            f"{counted(len(report.problems), 'problem')}"
        )
    if report.problems:
        raise typer.Exit(1)


@app.command("remove")
def remove(
    videos: Annotated[list[str], typer.Argument(help="Ids, files or folders.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take videos out of the library; the files themselves stay.

    Examples:

      ctf library remove holiday-03 --library videos.ctf

      ctf library remove ~/Videos/old --library videos.ctf
    """
    from coarse_to_fine.library import Library

    with Library.open(find_library(library)) as opened:
        removed = opened.remove(videos)
        left = len(opened)
    if as_json:
        output.print_json({"removed": removed, "videos_in_library": left})
    else:
        typer.echo(f"{len(removed)} removed, {left} left")


@app.command("compact")
def compact(library: LibraryOption = None, as_json: JsonOption = False) -> None:
    """Free the space of removed videos and join small blocks.

    Examples:

      ctf library compact --library videos.ctf

      ctf library compact --library videos.ctf --json
    """
    from coarse_to_fine.library import Library

    with Library.open(find_library(library)) as opened:
        report = opened.compact()
    if as_json:
        output.print_json(asdict(report))
    else:
        typer.echo(
            f"{counted(report.blocks_before, 'block')} with {report.bytes_before / 1e6:.1f} MB became "
            f"{report.blocks_after} with {report.bytes_after / 1e6:.1f} MB"
        )


@app.command("export")
def export(
    out: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The new library; it must not be there yet.", callback=folder_to_write),
    ],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the library, compacted, into a new one; no video file is read or copied.

    Examples:

      ctf library export backup.ctf --library videos.ctf

      ctf library export /media/disk/videos.ctf --library videos.ctf --json
    """
    from coarse_to_fine.library import Library

    with Library.open(find_library(library), read_only=True) as opened:
        report = opened.export(out)
    print_copied(report, out, len(report.added), as_json)


@app.command("merge")
def merge(
    others: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Libraries made by the same encoder.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over the videos of other libraries; what is here already stays as it is, the others are not changed.

    Examples:

      ctf library merge disk1.ctf disk2.ctf --library videos.ctf

      ctf library merge other.ctf --library videos.ctf --json
    """
    from coarse_to_fine.library import Library, MergeReport

    target = find_library(library)
    with Library.open(target) as opened:
        reports = [opened.merge(other) for other in others]
        total = len(opened)
    added = tuple(video_id for report in reports for video_id in report.added)
    skipped = tuple(note for report in reports for note in report.skipped)
    print_copied(MergeReport(added, skipped), target, total, as_json)


def print_copied(report: MergeReport, target: Path, total: int, as_json: bool) -> None:
    """Videos that were not taken over one a line, then the counts."""
    if as_json:
        skipped = [{"path": path, "reason": reason} for path, reason in report.skipped]
        output.print_json({"added": list(report.added), "skipped": skipped, "videos_in_library": total})
        return
    for path, reason in report.skipped:
        output.warn(f"{output.one_line(path)}: {reason}")
    holds = f"{target} holds {counted(total, 'video')}"
    typer.echo(f"{len(report.added)} copied, {len(report.skipped)} left out; {holds}")
