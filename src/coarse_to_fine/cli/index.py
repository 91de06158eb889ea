"""`ctf index`: videos into a library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import (
    BackendName,
    BackendOption,
    DeviceOption,
    JsonOption,
    PrecisionName,
    PrecisionOption,
)
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from coarse_to_fine.library import AddReport, Library


def index(
    paths: Annotated[list[Path], typer.Argument(help="Video files and folders (searched to the bottom).")],
    library: Annotated[
        Path, typer.Option("--library", "-l", metavar="DIR", help="The library; made if it is not there.")
    ],
    encoder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Image-text encoder of a new library: tiny-world, clip-vit-b-32, a folder."),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the encoder's weights if they are not on this machine.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Files decoded at the same time.")] = 2,
    only: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only files whose name or path matches.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try files again that failed before.")] = False,
    include_hidden: Annotated[bool, typer.Option("--include-hidden", help="Hidden and partial files too.")] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Decode and encode on a Ray cluster: HOST:PORT, auto, or local for one of --workers.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    backend: BackendOption = BackendName.torch,
    as_json: JsonOption = False,
) -> None:
    """Decode videos, compute features and store them; run again, it does only what is new or changed.

    Exit code 1 if a file failed: each gets one line, the others are indexed.

    Examples:

      ctf index ~/Videos --library videos.ctf

      ctf index talk.mp4 clips/ --library videos.ctf --encoder clip-vit-b-32
    """
    from coarse_to_fine.encoders.onnx_tower import compute_with_onnx

    require_something(paths, library)
    place = "cpu" if ray is not None else device  # the encoder travels to the workers
    with open_library(library, encoder, download, place, precision) as opened:
        if backend is BackendName.onnx:
            compute_with_onnx(opened.encoder)
        if opened.encoder.warning and not as_json:
            output.warn(opened.encoder.warning)
        with output.progress_bar("indexing", quiet=as_json) as advance:
            report = opened.add(
                paths,
                workers=workers,
                progress=advance,
                retry_failed=retry_failed,
                only=only,
                include_hidden=include_hidden,
                ray=ray,
            )
        total = len(opened)
    if as_json:
        output.print_json(report_as_json(report, total))
    else:
        print_report(report, total, library)
        if not any((report.added, report.skipped, report.failed, report.failed_before)):
            wanted = f" that match {only!r}" if only else ""
            output.warn(
                f"no videos{wanted} in {', '.join(map(str, paths))}; expected files such as .mp4; check the path"
            )
    if report.failed or report.failed_before:
        raise typer.Exit(1)


def open_library(
    path: Path, encoder: str | None, download: bool, device: str, precision: PrecisionName | None
) -> Library:
    """The library with its encoder, made if it is not there; the encoder's weights are fetched if that is allowed."""
    from coarse_to_fine.encoders.load import encoder_folder
    from coarse_to_fine.encoders.precision import require_precision
    from coarse_to_fine.library import Library

    if download and encoder is not None:
        encoder_folder(encoder, allow_download=True)
    wanted = require_precision(precision.value) if precision is not None else None
    return Library.open_or_create(path, encoder=encoder, device=device, precision=wanted)


def require_something(paths: list[Path], library: Path) -> None:
    """Make no library out of a misspelt path.

    Raises:
        UserError: there is no library yet, and none of the paths exists.
    """
    from coarse_to_fine.errors import UserError
    from coarse_to_fine.library.catalogue import is_library

    if not is_library(library) and not any(path.exists() for path in paths):
        names = ", ".join(repr(str(path)) for path in paths)
        raise UserError(f"no file or folder {names}; expected videos to make {library} of; check the spelling")


def report_as_json(report: AddReport, total: int) -> dict[str, Any]:
    """What an indexing run did."""
    return {
        "added": list(report.added),
        "skipped": list(report.skipped),
        "failed": [{"path": path, "reason": reason} for path, reason in report.failed],
        "failed_before": [{"path": path, "reason": reason} for path, reason in report.failed_before],
        "warnings": [{"path": path, "warning": warning} for path, warning in report.warnings],
        "notes": [{"path": path, "note": note} for path, note in report.notes],
        "videos_in_library": total,
    }


def print_report(report: AddReport, total: int, library: Path) -> None:
    """Notes, warnings and failures one a line, then the counts."""
    for path, reason in (*report.notes, *report.warnings, *report.failed):
        output.warn(f"{output.one_line(path)}: {reason}")
    for path, reason in report.failed_before:
        output.warn(f"{output.one_line(path)}: {reason} (failed before, not tried again; --retry-failed does)")
    failed = len(report.failed) + len(report.failed_before)
    typer.echo(
        f"{len(report.added)} added, {len(report.skipped)} unchanged, {failed} failed; {library} holds "
        f"{counted(total, 'video')}"
    )
