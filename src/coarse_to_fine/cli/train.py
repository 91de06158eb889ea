"""`ctf train`: the encoder of the drawn world, the models of both stages, and how their scores are joined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from coarse_to_fine.atomic_files import write_text_atomically
from coarse_to_fine.cli import output
from coarse_to_fine.cli.config_kinds import load_of_kind
from coarse_to_fine.cli.options import (
    CoarseOption,
    DeviceOption,
    FineOption,
    JsonOption,
    LayoutArgument,
    LibraryOption,
    SetOption,
    find_library,
)
from coarse_to_fine.cli.out_paths import file_to_write, folder_to_write
from coarse_to_fine.errors import UserError
from coarse_to_fine.wording import counted

if TYPE_CHECKING:
    from pydantic import BaseModel

    from coarse_to_fine.training.loop import FitResult

Settings = TypeVar("Settings", bound="BaseModel")

app = typer.Typer(no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML file, see configs/.")]
OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Checkpoints, metrics and the model go here.", callback=folder_to_write),
]
FeaturesOption = Annotated[
    Path, typer.Option("--train", metavar="DIR", help="Features of the training split, made by ctf extract.")
]
ValidationOption = Annotated[
    Path, typer.Option("--validation", metavar="DIR", help="Features of the validation split, which selects.")
]
TrainingDeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda or mps; default: what the configuration says.")
]


@app.callback()
def group() -> None:
    """Train: encoder, coarse, fine, fusion. Run again, a training goes on where it stopped."""


@app.command("encoder")
def encoder(
    config: ConfigOption,
    out: OutOption,
    overrides: SetOption = None,
    device: TrainingDeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the small CLIP that knows the drawn world.

    Examples:

      ctf train encoder --config configs/encoder/tiny-world.yaml --out runs/encoder

      ctf train encoder --config configs/encoder/tiny-world.yaml --set run.epochs=2 --out runs/pilot
    """
    from coarse_to_fine.encoders.train import EncoderTrainingConfig, train_encoder

    settings = on_device(load_of_kind("encoder", EncoderTrainingConfig, config, overrides), device)
    report(train_encoder(settings, out, progress=not as_json), out, as_json)


@app.command("coarse")
def coarse(
    config: ConfigOption,
    train: FeaturesOption,
    validation: ValidationOption,
    out: OutOption,
    overrides: SetOption = None,
    device: TrainingDeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the coarse model that a configuration names, on extracted features.

    Examples:

      ctf train coarse --config configs/coarse/t-mass-world.yaml --train feats/train --validation feats/val --out runs/0

      ctf train coarse --config FILE --train feats/train --validation feats/val --out runs/1 --set run.seed=1
    """
    from coarse_to_fine.coarse_grained.train import CoarseTraining, train_coarse
    from coarse_to_fine.features.training_set import training_examples

    settings = on_device(load_of_kind("coarse", CoarseTraining, config, overrides), device)
    print_data_reports(train, validation)
    learned = training_examples(train, coarse=True, alternates=True)
    trained = train_coarse(settings, learned, training_examples(validation), out, progress=not as_json)
    report(trained.result, trained.folder, as_json)


@app.command("fine")
def fine(
    config: ConfigOption,
    train: FeaturesOption,
    validation: ValidationOption,
    out: OutOption,
    overrides: SetOption = None,
    device: TrainingDeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the fine model that a configuration names, on extracted or imported features.

    Examples:

      ctf train fine --config configs/fine/qd-detr-world.yaml --train feats/train --validation feats/val --out runs/0

      ctf train fine --config FILE --train feats/train --validation feats/val --out runs/1 --set run.seed=1
    """
    from coarse_to_fine.features.training_set import training_examples
    from coarse_to_fine.fine_grained.train import FineTraining, train_fine

    settings = on_device(load_of_kind("fine", FineTraining, config, overrides), device)
    print_data_reports(train, validation)
    learned = training_examples(train, alternates=True)
    trained = train_fine(settings, learned, training_examples(validation), out, progress=not as_json)
    report(trained.result, trained.folder, as_json)


@app.command("fusion")
def fusion(
    annotations: LayoutArgument,
    library: LibraryOption = None,
    split: Annotated[str, typer.Option(help="A validation split, never a test split.")] = "val",
    coarse: CoarseOption = None,
    fine: FineOption = None,
    device: DeviceOption = "auto",
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Gets alpha and temperature.", callback=file_to_write)
    ] = Path("fusion.json"),
    as_json: JsonOption = False,
) -> None:
    """Choose how the scores of both stages are joined, by the recall on a validation split.

    Examples:

      ctf train fusion world --library world-val.ctf --split val --out fusion.json

      ctf train fusion world --library world-val.ctf --coarse mean-pool --fine similarity --json
    """
    from coarse_to_fine.experiment import choose_fusion, read_queries
    from coarse_to_fine.main_pipeline import Pipeline

    if split.startswith("test"):
        raise UserError(
            f"--split {split}; expected a validation split: what is chosen on a test split makes its numbers too good; "
            "name another one"
        )
    pipeline = Pipeline.load(find_library(library), coarse=coarse, fine=fine, device=device)
    chosen, recall = choose_fusion(pipeline, read_queries(annotations, split))
    write_text_atomically(out, chosen.model_dump_json() + "\n")
    if as_json:
        output.print_json({"out": str(out), **chosen.model_dump(), "R@1 at IoU 0.5": round(recall, 2)})
    else:
        typer.echo(
            f"{out}: alpha {chosen.alpha:g}, temperature {chosen.temperature:g}; R@1 at IoU 0.5 on {split} {recall:.2f}"
        )


def on_device(settings: Settings, device: str | None) -> Settings:
    """The settings with the device of the command line, where it names one, in each of their runs."""
    from coarse_to_fine.training import RunConfig

    if device is None:
        return settings
    runs = {name: run.model_copy(update={"device": device}) for name, run in settings if isinstance(run, RunConfig)}
    return settings.model_copy(update=runs)


def print_data_reports(*folders: Path) -> None:
    """What was repaired in the annotations, on stderr."""
    from coarse_to_fine.features.set_annotations import data_report_lines

    for folder in folders:
        for line in data_report_lines(folder):
            output.warn(output.one_line(line))


def report(result: FitResult, folder: Path, as_json: bool) -> None:
    """Where the model is and how good it is on the validation split."""
    summary: dict[str, Any] = {
        "folder": str(folder),
        "steps": result.steps,
        "best_step": result.best_step,
        "validation": result.best_metrics,
    }
    if as_json:
        output.print_json(summary)
    else:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in result.best_metrics.items())
        steps = counted(result.steps, "step")
        typer.echo(f"{folder}: best of {steps} is {result.best_step}" + (f": {metrics}" if metrics else ""))
