"""`ctf data`: look at annotation files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.errors import UserError
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from coarse_to_fine.datasets.repair import Annotations


def known_encoding(name: str) -> str:
    """The name of a text encoding.

    Raises:
        UserError: there is none of that name.
    """
    try:
        "".encode(name)
    except LookupError:
        raise UserError(f"--encoding {name}; expected a text encoding such as utf-8 or latin-1; correct it") from None
    return name


app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at annotation files of moment and retrieval data sets."""


@app.command("check")
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Annotation files of any supported data set, folders in our layout.")
    ],
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="The format, where it is not recognised by content.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="The split, where the file name does not say it.")] = None,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the videos: lists absent ones and other lengths.")
    ] = None,
    durations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table of lengths for Charades-STA; default: beside the file.")
    ] = None,
    disjoint: Annotated[
        bool, typer.Option("--disjoint", help="Refuse files that share videos, such as a training and a test split.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse rows that would have to be repaired.")] = False,
    encoding: Annotated[str, typer.Option(help="Text encoding of the files.", callback=known_encoding)] = "utf-8",
    as_json: JsonOption = False,
) -> None:
    """Print counts and oddities of annotation files; exit code 1 where a row is refused.

    Examples:

      ctf data check charades_sta_train.txt

      ctf data check charades_sta_train.txt charades_sta_test.txt --disjoint --videos Charades_v1_480 --json
    """
    from coarse_to_fine.datasets.charades_sta import read_durations
    from coarse_to_fine.datasets.formats import read_annotation_file
    from coarse_to_fine.datasets.layout_rows import layout_files
    from coarse_to_fine.errors import DataError

    policy = "strict" if strict else "repair"
    table = read_durations(durations) if durations is not None else None
    named = [file for path in files for file in (layout_files(path, split) if path.is_dir() else [path])]
    found, bad = [], False
    for path in named:
        try:
            found.append(read_annotation_file(path, format, split, policy, table, encoding))  # type: ignore[arg-type]
        except DataError as error:
            if len(named) == 1:
                raise
            output.warn(str(error))
            bad = True
    bad = bad or any(one.report.refused for one in found)
    for one in found:
        beside = compare_with_files(one, videos) if videos is not None else None
        if as_json:
            output.print_json(one.report.as_json() | ({"files": beside} if beside is not None else {}))
        else:
            print_check(one, beside)
        bad = bad or bool(beside and (beside["absent"] or beside["unreadable"]))
    report_shared(found, disjoint)
    if bad:
        raise typer.Exit(1)


def print_check(found: Annotations, beside: dict[str, Any] | None) -> None:
    """Counts, one line a code, and what the folder of the videos lacks."""
    from coarse_to_fine.datasets.licences import licence_line

    report = found.report
    typer.echo(
        f"{report.file}: {report.format}, split {report.split}: {report.rows_kept} of "
        f"{counted(report.rows_read, 'query', 'queries')}, {counted(report.videos, 'video')}, "
        f"{counted(report.windows, 'window')}, {counted(len(report.refused), 'row')} refused"
    )
    typer.echo(f"  {licence_line(report.format)}")
    for line in report.lines():
        typer.echo(f"  {output.one_line(line)}")
    if beside is None:
        return
    all_videos = counted(beside["found"] + len(beside["absent"]), "video")
    typer.echo(f"  {beside['found']} of {all_videos} with a file")
    for video_id in beside["absent"]:
        typer.echo(f"  absent: {output.one_line(video_id)}")
    for video_id, annotated, seconds in beside["other_length"]:
        typer.echo(
            f"  other length: {output.one_line(video_id)} is annotated with {annotated:g} s, its file has {seconds:g} s"
        )
    for video_id, reason in beside["unreadable"]:
        typer.echo(f"  unreadable: {output.one_line(video_id)}: {output.one_line(reason)}")
    if beside["other_length"]:
        typer.echo(
            "  windows are cut by the annotated length, also in the evaluation; features follow the length of the file"
        )


def compare_with_files(found: Annotations, folder: Path) -> dict[str, Any]:
    """Which videos have a file in the folder, and whether it has the annotated length."""
    from coarse_to_fine.features.durations import compare_durations
    from coarse_to_fine.features.set_annotations import named_videos
    from coarse_to_fine.features.video_lookup import locate_videos

    located = locate_videos(folder, named_videos(found.queries))
    checked = compare_durations(found.videos, located.paths)
    return {
        "found": len(located.paths),
        "absent": list(located.absent),
        "other_length": [[name, annotated, round(seconds, 3)] for name, annotated, seconds in checked.differing],
        "unreadable": [list(pair) for pair in checked.unreadable],
    }


def report_shared(found: Sequence[Annotations], refuse: bool) -> None:
    """Say which files share videos: any two where `refuse`, which is an error then; else training and other splits."""
    from coarse_to_fine.datasets.leaks import refuse_shared_videos
    from coarse_to_fine.errors import DataError

    videos: dict[str, set[str]] = {}
    for one in found:
        videos.setdefault(_set_of(one), set()).update(query.video_id for query in one.queries)
    if refuse:
        refuse_shared_videos(videos)
    training = {_set_of(one) for one in found if one.report.split == "train"}
    for file in training:
        for other in videos.keys() - training:
            try:
                refuse_shared_videos({file: videos[file], other: videos[other]})
            except DataError as error:
                output.warn(str(error))


def _set_of(found: Annotations) -> str:
    """The file; queries and captions of one split of our layout are one set."""
    from coarse_to_fine.datasets.layout_rows import part_of

    path = Path(found.report.file)
    part = part_of(path)
    return found.report.file if part is None else f"{path.parent} ({part[1]})"
