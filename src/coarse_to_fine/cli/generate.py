"""`ctf generate`: made data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption
from coarse_to_fine.cli.out_paths import file_to_write, folder_to_write
from coarse_to_fine.wording import counted

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Make data: procedural videos with exact truth, coarse captions."""


@app.command("world")
def world(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where videos and annotations go.", callback=folder_to_write)
    ],
    videos: Annotated[int, typer.Option(min=1, help="How many videos.")] = 24,
    seed: Annotated[int, typer.Option(help="Seed; the same seed makes the same videos.")] = 0,
    split: Annotated[
        str, typer.Option(help="train, val, test or test_composition; no video is in two of them.")
    ] = "test",
    workers: Annotated[int, typer.Option(min=1, help="Videos rendered at the same time.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Render videos of a drawn world as H.264 MP4, with sentences and exact windows for what happens in them.

    Examples:

      ctf generate world --videos 24 --seed 0 --out world

      ctf generate world --videos 200 --split val --out world-val
    """
    from coarse_to_fine.data_generation.world import generate_world

    with output.progress_bar("rendering", quiet=as_json) as advance:
        made = generate_world(
            out,
            videos=videos,
            seed=seed,
            split=split,
            workers=workers,
            progress=lambda done, total: advance(done, total, ""),
        )
    summary = {"out": str(out), "split": split, "seed": seed, "videos": made.videos, "queries": made.queries}
    if as_json:
        output.print_json(summary)
    else:
        typer.echo(f"{counted(made.videos, 'video')} with {counted(made.queries, 'sentence')} in {out}")


@app.command("captions")
def captions(
    annotations: Annotated[
        Path, typer.Argument(help="Fine sentences of the split: any supported format, or a folder in our layout.")
    ],
    train: Annotated[Path, typer.Option(metavar="FILE", help="Training split, which the word weights come from.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The captions, one JSON line each.", callback=file_to_write)
    ],
    split: Annotated[
        str | None, typer.Option(help="Which split of a folder; default: the only one, or what the file says.")
    ] = None,
    variants: Annotated[int, typer.Option(min=1, help="Captions a video.")] = 5,
    sentences: Annotated[int, typer.Option(min=2, help="Fine sentences that an extracted caption joins.")] = 2,
    endpoint: Annotated[
        Path | None, typer.Option(metavar="YAML", help="Ask a chat endpoint first: base_url, model, key_variable, ...")
    ] = None,
    cache: Annotated[
        Path, typer.Option(metavar="DIR", help="Replies of the endpoint.", callback=folder_to_write)
    ] = Path("caption-replies"),
    max_cost: Annotated[float | None, typer.Option(help="Stop before the endpoint costs more.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print requests, tokens and cost, ask nothing.")] = False,
    all_passes: Annotated[
        bool, typer.Option("--all-passes", help="Read every annotation pass; no quality check.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make coarse captions of whole videos from the fine sentences of their moments.

    Without an endpoint captions are extracted, without network and the same every time.

    Examples:

      ctf generate captions tacos/test.json --train tacos/train.json --out coarse.test.jsonl

      ctf generate captions tacos/val.json --train tacos/train.json --out coarse.val.jsonl --variants 3 --json
    """
    from coarse_to_fine.cli.captions import generate_captions

    generate_captions(
        annotations, split, train, out, variants, sentences, endpoint, cache, max_cost, dry_run, all_passes, as_json
    )
