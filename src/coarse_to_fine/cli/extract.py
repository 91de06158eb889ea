"""`ctf extract`: features of a training set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import (
    BackendName,
    BackendOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    require_missing_rule,
)
from coarse_to_fine.cli.out_paths import folder_to_write
from coarse_to_fine.errors import UserError
from coarse_to_fine.wording import as_folder, counted

if TYPE_CHECKING:
    from coarse_to_fine.encoders.base import ImageTextEncoder
    from coarse_to_fine.features.extract import ExtractReport

WORLD_VIDEOS = 1000


def extract(
    source: Annotated[
        str,
        typer.Argument(
            help="`world` (drawn on the spot), an annotation file of any supported data set, or a folder in our layout."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Gets annotations/, videos/ and texts/.", callback=folder_to_write)
    ],
    videos: Annotated[
        str | None,
        typer.Option(metavar="DIR|N", help="Folder with the videos of an annotation file; how many of the world."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Which split; default: train, or what the name of the file says.")
    ] = None,
    missing_video: Annotated[
        str, typer.Option(metavar="RULE", help="Videos without a file: refuse, or drop with their queries.")
    ] = "refuse",
    npz: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the features as npz for other tools too.", callback=folder_to_write),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 0,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="tiny-world, clip-vit-b-32, a folder.")] = "tiny-world",
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw or threads that decode.")] = 2,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    backend: BackendOption = BackendName.torch,
    as_json: JsonOption = False,
) -> None:
    """Compute the features that training reads; run again, it goes on where it stopped.

    Examples:

      ctf extract world --split train --videos 2000 --out feats/train

      ctf extract charades_sta_test.txt --videos Charades_v1_480 --encoder clip-vit-b-32 --out feats/test --npz npz
    """
    from coarse_to_fine.devices import resolve_device
    from coarse_to_fine.encoders.load import load_encoder
    from coarse_to_fine.encoders.onnx_tower import compute_with_onnx

    require_missing_rule(missing_video)
    tower = load_encoder(encoder, resolve_device(device), precision=precision.value if precision else "fp32")
    if backend is BackendName.onnx:
        compute_with_onnx(tower)
    made = _extract(source, videos, split, missing_video, seed, tower, out, workers, as_json)
    files = _export(out, npz) if npz is not None else None
    if as_json:
        output.print_json(_as_json(made, out, tower) | ({"npz": files} if files is not None else {}))
    else:
        _print(made, out, tower, npz, files)
    if made.failed:
        raise typer.Exit(1)


def _extract(
    source: str,
    videos: str | None,
    split: str | None,
    missing_video: str,
    seed: int,
    tower: ImageTextEncoder,
    out: Path,
    workers: int,
    as_json: bool,
) -> ExtractReport:
    from coarse_to_fine.features.training_set import extract_set
    from coarse_to_fine.features.world import extract_world

    with output.progress_bar("extracting", quiet=as_json) as advance:
        if source == "world":
            count = _world_videos(videos)
            if Path(source).is_dir():
                output.warn("`world` is the drawn world, not the folder of that name; give that as ./world")
            return extract_world(
                out, tower, split=split or "train", videos=count, seed=seed, processes=workers, progress=advance
            )
        if Path(source).is_dir():
            return extract_set(Path(source), split or "train", tower, out, workers=workers, progress=advance)
        if videos is None:
            raise UserError(_without_videos(source))
        return _extract_annotated(source, videos, split, missing_video, tower, out, workers, advance)


def _extract_annotated(
    source: str,
    videos: str,
    split: str | None,
    missing_video: str,
    tower: ImageTextEncoder,
    out: Path,
    workers: int,
    advance: output.Advance,
) -> ExtractReport:
    """Features of an annotation file; what its repairs and absent videos are is said on stderr."""
    from coarse_to_fine.datasets.formats import load_annotations
    from coarse_to_fine.features.training_set import extract_annotated

    found = load_annotations(source, split=split)
    for line in found.report.lines():
        output.warn(f"{Path(source).name}: {output.one_line(line)}")
    made = extract_annotated(
        found,
        videos,
        tower,
        out,
        missing=missing_video,  # type: ignore[arg-type]
        workers=workers,
        progress=advance,
    )
    for video_id in made.absent:
        output.warn(f"{output.one_line(video_id)}: no file in {videos}; its queries are left out")
    for line in found.report.lines():
        if line.startswith("R10"):
            output.warn(f"{Path(source).name}: {output.one_line(line)}")
    return made


def _without_videos(source: str) -> str:
    """What to say of a source that is no folder and comes without --videos."""
    from coarse_to_fine.datasets.layout_rows import part_of

    path = Path(source)
    if not path.is_file():
        return (
            f"nothing at {source}; expected `world`, an annotation file, or a folder in our layout (videos.jsonl, "
            "queries.<split>.jsonl); check the path"
        )
    own = part_of(path)
    or_folder = f", or give its folder: ctf extract {as_folder(path.parent)} --split {own[1]}" if own else ""
    return f"{source} is an annotation file; expected the folder of its videos too; add --videos DIR{or_folder}"


def _world_videos(videos: str | None) -> int:
    if videos is None:
        return WORLD_VIDEOS
    if not videos.isdecimal() or int(videos) < 1:
        raise UserError(f"--videos {videos}; expected how many videos of the world, 1 or more")
    return int(videos)


def _export(out: Path, npz: Path) -> int:
    """Number of npz files that are there now."""
    from coarse_to_fine.datasets.layout import read_annotations, splits
    from coarse_to_fine.features.npz_export import export_npz
    from coarse_to_fine.features.store import FeatureReader

    videos, texts = FeatureReader(out / "videos"), FeatureReader(out / "texts")
    reports = [
        export_npz(read_annotations(out / "annotations", split), videos, texts, npz)
        for split in splits(out / "annotations")
    ]
    return max(report.written + report.there for report in reports)


def _as_json(made: ExtractReport, out: Path, tower: ImageTextEncoder) -> dict[str, object]:
    return {
        "out": str(out),
        "made": made.made,
        "there": made.there,
        "failed": list(made.failed),
        "absent": list(made.absent),
        "encoder": tower.name,
        "fingerprint": tower.fingerprint,
    }


def _print(made: ExtractReport, out: Path, tower: ImageTextEncoder, npz: Path | None, files: int | None) -> None:
    for name, reason in made.failed:
        output.warn(output.one_line(f"{name}: {reason}"))
    counts = [f"{counted(made.made, 'video')} extracted", f"{made.there} were there", f"{len(made.failed)} failed"]
    if made.absent:
        counts.append(f"{len(made.absent)} absent and left out")
    typer.echo(f"{', '.join(counts)}; {out}")
    typer.echo(f"encoder {tower.name}, fingerprint of weights and preprocessing {tower.fingerprint}")
    if npz is not None:
        typer.echo(f"{counted(files or 0, 'npz file')} in {npz}")
