"""`ctf data`: look at annotation files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="Look at annotation files of moment and retrieval data sets.")


@app.callback()
def group() -> None:
    """Look at annotation files of moment and retrieval data sets."""


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Annotation files of any supported data set.")],
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="The format, where it is not recognised by content.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="The split, where the file name does not say it.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse rows that would have to be repaired.")] = False,
    encoding: Annotated[str, typer.Option(help="Text encoding of the files.")] = "utf-8",
    as_json: JsonOption = False,
) -> None:
    """Print counts and oddities of annotation files; exit code 1 where a row is refused.

    Examples:

      ctf data check charades_sta_train.txt

      ctf data check highlight_val_release.jsonl --json
    """
    from coarse_to_fine.datasets.formats import read_annotations

    policy = "strict" if strict else "repair"
    reports = [read_annotations(path, format, split, policy, encoding=encoding).report for path in files]  # type: ignore[arg-type]
    for report in reports:
        if as_json:
            output.print_json(report.as_json())
            continue
        typer.echo(
            f"{report.file}: {report.format}, split {report.split}: {report.rows_kept} of {report.rows_read} queries, "
            f"{report.videos} videos, {report.windows} windows, {len(report.refused)} rows refused"
        )
        for line in report.lines():
            typer.echo(f"  {output.one_line(line)}")
    if any(report.refused for report in reports):
        raise typer.Exit(1)
