"""`ctf extract`: features of a training set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import DeviceOption, JsonOption


def extract(
    source: Annotated[
        str, typer.Argument(help="`world` (drawn on the spot), or a folder with annotations and videos.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Gets annotations/, videos/ and texts/.")],
    split: Annotated[str, typer.Option(help="Which split.")] = "train",
    videos: Annotated[int, typer.Option(min=1, help="How many videos of the world.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 0,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="tiny-world, clip-vit-b-32, a folder.")] = "tiny-world",
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw or threads that decode.")] = 2,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Compute the features that training reads; run again, it goes on where it stopped.

    Examples:

      ctf extract world --split train --videos 2000 --out feats/train

      ctf extract my-annotations --split val --encoder clip-vit-b-32 --out feats/val
    """
    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.encoders.load import load_encoder
    from coarse_to_fine.features.training_set import extract_set
    from coarse_to_fine.features.world import extract_world

    tower = load_encoder(encoder, resolve_device(device))
    with output.progress_bar("extracting", quiet=as_json) as advance:
        if source == "world":
            made = extract_world(out, tower, split=split, videos=videos, seed=seed, processes=workers, progress=advance)
        else:
            made = extract_set(Path(source), split, tower, out, workers=workers, progress=advance)
    if as_json:
        output.print_json({"out": str(out), "made": made.made, "there": made.there, "failed": list(made.failed)})
    else:
        for name, reason in made.failed:
            output.warn(f"{name}: {reason}")
        typer.echo(f"{made.made} videos extracted, {made.there} were there, {len(made.failed)} failed; {out}")
    if made.failed:
        raise typer.Exit(1)
