"""`ctf features`: feature files of published releases and our own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.options import JsonOption, SetOption, require_missing_rule
from coarse_to_fine.cli.out_paths import folder_to_write
from coarse_to_fine.errors import UserError
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from coarse_to_fine.datasets.repair import Annotations
    from coarse_to_fine.features.published.config import PublishedFeatures
    from coarse_to_fine.features.published.importing import ImportReport

app = typer.Typer(no_args_is_help=True)
Value = TypeVar("Value")

OutOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Gets annotations/, videos/ and texts/.", callback=folder_to_write)
]
StreamPaths = Annotated[
    list[Path] | None,
    typer.Argument(help="One folder, or HDF5 file, a stream, concatenated in this order; or --config."),
]
FormOption = Annotated[str, typer.Option("--from", metavar="FORM", help="npz, npy, pt or hdf5.")]
ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="YAML file that names the streams, see docs/data.md.")
]
AnnotationsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Annotations of any supported data set; default: no queries.")
]
SplitOption = Annotated[str | None, typer.Option(help="The split, where the file name does not say it.")]
NamesOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Encoder of each stream; default: the name of its path.")
]
WidthsOption = Annotated[
    list[int] | None, typer.Option(metavar="N", help="Declared width of each stream; default: the first file's.")
]
KeysOption = Annotated[
    list[str] | None, typer.Option(metavar="KEY", help="Array of npz or pt files; default: the only one.")
]
PatternsOption = Annotated[
    list[str] | None, typer.Option(metavar="TEXT", help="Name of a video's array; default {video_id}.")
]
NormaliseOption = Annotated[
    list[str] | None, typer.Option(metavar="RULE", help="raw (default), unit-eps or unit, of each stream.")
]
StepOption = Annotated[float, typer.Option(min=0, help="Seconds from row to row; 0: spread over the video.")]
MaxRowsOption = Annotated[int | None, typer.Option(min=1, help="Only the first rows of a video.")]
TextsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="Text features: a folder with one npz a query (last_hidden_state), or a GloVe text file."
    ),
]
TextPatternOption = Annotated[str, typer.Option(metavar="TEXT", help="Name of a query's array.")]
TextIdsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Annotation file whose query ids name the text features.")
]
MissingOption = Annotated[str, typer.Option(metavar="RULE", help="Videos or queries without features: refuse or drop.")]
Float32Option = Annotated[bool, typer.Option("--float32", help="Store float32 instead of float16.")]


@app.callback()
def group() -> None:
    """Import published features; check and describe feature files."""


@app.command("import")
def import_(
    out: OutOption,
    paths: StreamPaths = None,
    form: FormOption = "npz",
    config: ConfigOption = None,
    overrides: SetOption = None,
    annotations: AnnotationsOption = None,
    split: SplitOption = None,
    name: NamesOption = None,
    width: WidthsOption = None,
    key: KeysOption = None,
    pattern: PatternsOption = None,
    normalise: NormaliseOption = None,
    step_s: StepOption = 2.0,
    max_rows: MaxRowsOption = None,
    texts: TextsOption = None,
    text_pattern: TextPatternOption = "qid{query_id}",
    text_ids: TextIdsOption = None,
    missing_video: MissingOption = "refuse",
    float32: Float32Option = False,
    as_json: JsonOption = False,
) -> None:
    """Convert published feature files into ours, checked; run again, it goes on where it stopped.

    Examples:

      ctf features import clip_features slowfast_features --annotations highlight_val_release.jsonl --out feats/val

      ctf features import vgg.hdf5 --from hdf5 --step-s 0 --texts glove.txt --annotations charades.txt --out feats
    """
    import torch

    from coarse_to_fine.datasets.formats import load_annotations
    from coarse_to_fine.features.published.import_set import ImportedSet, import_set
    from coarse_to_fine.features.published.importing import import_videos

    require_missing_rule(missing_video)
    columns = {"name": name, "width": width, "key": key, "pattern": pattern, "normalise": normalise}
    text_options = {"path": texts, "pattern": text_pattern, "ids_from": text_ids}
    published = _published(paths or [], form, config, overrides or [], columns, step_s, max_rows, text_options)
    found = load_annotations(annotations, split=split) if annotations is not None else None
    options: dict[str, Any] = {"missing": missing_video, "dtype": torch.float32 if float32 else torch.float16}
    with output.progress_bar("importing", quiet=as_json) as advance:
        if found is None:
            done = ImportedSet(import_videos(published, None, out / "videos", progress=advance, **options), None, 0)
        else:
            done = import_set(found, published, out, progress=advance, **options)
    _print_import(done.videos, done.texts, done.queries, found, out, as_json)
    if done.videos.failed:
        raise typer.Exit(1)


@app.command("verify")
def verify(
    folders: Annotated[list[Path], typer.Argument(help="Feature folders, or folders of a training set.")],
    as_json: JsonOption = False,
) -> None:
    """Hash every shard of feature folders again; exit code 1 where one is missing or damaged.

    Examples:

      ctf features verify feats/train

      ctf features verify feats/train/videos feats/train/texts --json
    """
    from coarse_to_fine.features.describe import feature_folders
    from coarse_to_fine.features.store import FeatureReader

    results: list[dict[str, Any]] = []
    for folder in [inner for given in folders for inner in feature_folders(given)]:
        reader = FeatureReader(folder)
        problems = reader.verify()
        if not reader.manifest.complete:
            problems.append("not complete: the writer was stopped; run the same command again")
        results.append({"folder": str(folder), "items": len(reader), "problems": problems})
    if as_json:
        output.print_json(results)
    else:
        for result in results:
            problems = result["problems"]
            typer.echo(f"{result['folder']}: {counted(result['items'], 'item')}, {'damaged' if problems else 'intact'}")
            for problem in problems:
                output.warn(f"{result['folder']}: {problem}")
    if any(result["problems"] for result in results):
        raise typer.Exit(1)


@app.command("show")
def show(
    path: Annotated[Path, typer.Argument(help="A feature folder, a training set, or an npz, npy, pt or HDF5 file.")],
    as_json: JsonOption = False,
) -> None:
    """Describe features: what made them, their keys, shapes, types and lengths.

    Examples:

      ctf features show feats/train

      ctf features show clip_features/j7rJstUseKg_360.0_510.0.npz --json
    """
    from coarse_to_fine.features.describe import describe

    found = describe(path)
    if as_json:
        output.print_json(found)
        return
    for part in found:
        for field, value in part.items():
            if isinstance(value, list):
                typer.echo(f"{field}:")
                for row in value:
                    typer.echo(f"  {output.one_line(str(row))}")
            else:
                typer.echo(f"{field}: {output.one_line(str(value))}")


def _published(
    paths: list[Path],
    form: str,
    config: Path | None,
    overrides: list[str],
    columns: dict[str, Any],
    step_s: float,
    max_rows: int | None,
    texts: dict[str, Any],
) -> PublishedFeatures:
    """The configuration of a file, or of the options."""
    from coarse_to_fine.config import load_config, parse_config
    from coarse_to_fine.features.published.config import PublishedFeatures

    if (config is None) == (not paths):
        raise UserError("give the folders of the streams, or a file by --config, and not both")
    if config is not None:
        return load_config(PublishedFeatures, config, overrides)
    values: dict[str, Any] = {"step_s": step_s or None, "max_rows": max_rows}
    spread = {field: _for_each(field, given, len(paths)) for field, given in columns.items()}
    values["streams"] = tuple(
        {"form": form, "path": str(path), "name": path.name.removesuffix(".hdf5") or path.name}
        | {field: given[place] for field, given in spread.items() if given}
        for place, path in enumerate(paths)
    )
    if texts["path"] is not None and texts["path"].suffix == ".txt":
        values["texts"] = {"form": "glove", "path": str(texts["path"])}
    elif texts["path"] is not None:
        values["texts"] = {field: str(value) for field, value in texts.items() if value is not None}
    return parse_config(PublishedFeatures, values, "the options")


def _for_each(field: str, given: list[Value] | None, streams: int) -> list[Value]:
    """One value a stream: as many as streams, or one for all."""
    if not given or len(given) == streams:
        return given or []
    if len(given) == 1:
        return given * streams
    raise UserError(
        f"--{field} was given {len(given)} times for {counted(streams, 'stream')}; expected once, or once a stream"
    )


def _print_import(
    videos: ImportReport,
    texts: ImportReport | None,
    queries: int,
    found: Annotations | None,
    out: Path,
    as_json: bool,
) -> None:
    if as_json:
        output.print_json(
            {
                "out": str(out),
                "videos": _as_json(videos),
                "texts": None if texts is None else _as_json(texts),
                "queries": queries,
                "annotations": None if found is None else found.report.as_json(),
            }
        )
        return
    for line in found.report.lines() if found is not None else []:
        output.warn(output.one_line(line))
    for name, reason in videos.failed:
        output.warn(output.one_line(f"{name}: {reason}"))
    for one, many, report in (("video", "videos", videos), ("query", "queries", texts)):
        if report is not None and report.absent:
            left_out = counted(len(report.absent), one, many)
            output.warn(f"{left_out} without features left out: {', '.join(report.absent)}")
    for note, count in videos.notes:
        output.warn(f"{counted(count, 'video')}: {note}")
    sentences = f", {counted(texts.made + texts.there, 'sentence')}" if texts is not None else ""
    typer.echo(
        f"{counted(videos.made, 'video')} imported, {videos.there} there before, {len(videos.failed)} failed"
        f"{sentences}, {counted(queries, 'query', 'queries')}; {out}"
    )


def _as_json(report: ImportReport) -> dict[str, Any]:
    return {
        "made": report.made,
        "there": report.there,
        "failed": list(report.failed),
        "absent": list(report.absent),
        "notes": dict(report.notes),
    }
