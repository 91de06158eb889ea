"""`ctf weights`: what weights there are, and those of others into ours."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.cli.out_paths import folder_to_write

if TYPE_CHECKING:
    from coarse_to_fine.foreign_weights.importing import ImportedWeights
    from coarse_to_fine.foreign_weights.published import PublishedWeights

app = typer.Typer(no_args_is_help=True)


HOW_TO_CHECK = """
check a file: ctf weights show FILE prints its size and sha256, to compare with what its publisher prints;
              ctf weights import FILE --out DIR --sha256 HEX and ctf weights pull NAME --sha256 HEX refuse others,
              before anything in them is read"""


class KindName(str, Enum):
    """What a file can be taken for."""

    t_mass = "t-mass"
    qd_detr = "qd-detr"
    mesm = "mesm"
    clip = "clip"


@app.callback()
def group() -> None:
    """Weights of others: list, import, show, pull."""


@app.command("list")
def list_weights(as_json: JsonOption = False) -> None:
    """List bundled and published weights: file, size, hash, where to get them, licence, use without a network.

    Examples:

      ctf weights list

      ctf weights list --json
    """
    from coarse_to_fine.foreign_weights.published import all_weights

    entries = all_weights()
    if as_json:
        output.print_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        typer.echo(_entry_text(entry))
    typer.echo(HOW_TO_CHECK)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A checkpoint file that you have; nothing is downloaded.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="The folder to write; new or empty.", callback=folder_to_write),
    ],
    kind: Annotated[
        KindName | None, typer.Option("--as", help="Take the file for this model, and fail if it is another.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="What shapes do not tell; see docs/weights.md."),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="PATH", help="Of CLIP towers; else beside the file, else OpenAI's."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="Refuse a file of another hash.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a published T-MASS, QD-DETR, MESM or CLIP checkpoint into a folder for --coarse, --fine or --encoder.

    Examples:

      ctf weights import clip_qd_detr_qvhighlight.ckpt --out qd-detr-clip

      ctf weights import model_best.pth --as t-mass --set num_heads=1 --out t-mass-msrvtt
    """
    from coarse_to_fine.foreign_weights.importing import import_weights

    wanted = kind.value if kind is not None else None
    imported = import_weights(file, out, wanted, settings or (), tokenizer, sha256)  # type: ignore[arg-type]
    if as_json:
        output.print_json(_import_as_json(imported))
    else:
        for line in _import_text(imported):
            typer.echo(line)


@app.command("show")
def show(
    path: Annotated[Path, typer.Argument(help="A folder of weights or a checkpoint file.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a folder of weights or a checkpoint file holds.

    Examples:

      ctf weights show qd-detr-clip

      ctf weights show model_best.ckpt --json
    """
    from coarse_to_fine.foreign_weights.describe import describe

    about = describe(path)
    if as_json:
        output.print_json(about)
    else:
        for line in _lines(about):
            typer.echo(output.one_line(line))


@app.command("pull")
def pull(
    name: Annotated[
        str, typer.Argument(help="A short name such as clip-vit-b-32, or OWNER/MODEL of the hub; @REVISION pins it.")
    ],
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="Refuse weights of another hash.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch an encoder from the Hugging Face hub into its local cache; needs a network once.

    Examples:

      ctf weights pull clip-vit-b-32

      ctf weights pull openai/clip-vit-large-patch14@main --json
    """
    from coarse_to_fine.foreign_weights.pulling import pull_encoder

    folder, files = pull_encoder(name, sha256)
    if as_json:
        output.print_json({"name": name, "folder": str(folder), "files": files})
        return
    typer.echo(f"{name} lies in {folder}")
    for file in files:
        typer.echo(f"  {file['file']}  {file['bytes']} bytes  sha256 {file['sha256']}")
    typer.echo(f"use it: ctf index FOLDER --library videos.ctf --encoder {name}")


def _entry_text(entry: PublishedWeights) -> str:
    from coarse_to_fine.foreign_weights.published import NOT_PUBLISHED

    on_hub = f"beside each file at https://huggingface.co/{entry.hub_name}/tree/main"
    unknown = on_hub if entry.hub_name is not None else NOT_PUBLISHED
    size = f"{entry.bytes} bytes" if entry.bytes is not None else unknown
    lines = [
        f"{entry.name} ({entry.kind}{', bundled' if entry.bundled else ''})",
        f"  file     {entry.file}",
        f"  size     {size}",
        f"  sha256   {entry.sha256 or unknown}",
        f"  from     {entry.where}",
        f"  mirror   {entry.mirror or ('not needed' if entry.bundled else 'none known')}",
        f"  licence  {entry.licence}",
        f"  offline  {entry.offline}",
    ]
    return "\n".join(lines)


def _import_as_json(imported: ImportedWeights) -> dict[str, Any]:
    return {
        "kind": imported.kind,
        "folder": str(imported.folder),
        "encoder": str(imported.encoder) if imported.encoder is not None else None,
        "features": list(imported.features),
        "origin": imported.origin,
    }


def _import_text(imported: ImportedWeights) -> list[str]:
    origin, folder = imported.origin, imported.folder
    lines = [f"{origin['imported']} from {origin['source_file']} ({origin['source_sha256'][:12]}) lies in {folder}"]
    lines.append(f"  licence: {origin['licence']}")
    if imported.kind == "clip":
        return [*lines, f"  use it: ctf index FOLDER --library videos.ctf --encoder {folder}"]
    if imported.kind == "t-mass":
        return [
            *lines,
            f"  its own towers lie in {imported.encoder}; a library must be made with them:",
            f"  use it: ctf index FOLDER --library videos.ctf --encoder {imported.encoder}",
            f'          ctf search "SENTENCE" --library videos.ctf --coarse {folder}',
        ]
    if imported.features:
        lines.append(f"  wants the features {' + '.join(imported.features)} of each clip")
    if len(imported.features) == 1 and imported.features[0].startswith("clip "):
        return [*lines, f'  use it: ctf search "SENTENCE" --library videos.ctf --fine {folder}']
    return [
        *lines,
        "  a library stores the features of its encoder alone: use it on feature files, not with ctf search",
    ]


def _lines(about: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in about.items():
        if value is None or value in ({}, []):
            continue
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{indent}{name}: {shown}")
    return lines
