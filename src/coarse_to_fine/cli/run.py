"""`ctf run`: a whole experiment from one configuration."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coarse_to_fine.cli import output
from coarse_to_fine.cli.config_kinds import load_of_kind
from coarse_to_fine.cli.options import JsonOption, SetOption
from coarse_to_fine.cli.out_paths import folder_to_write
from coarse_to_fine.errors import UserError

if TYPE_CHECKING:
    from coarse_to_fine.main_pipeline.plan import PlannedStep
    from coarse_to_fine.main_pipeline.run_config import RunFile

LAUNCHERS = ("torchrun", "ray")


def run(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="YAML file, or the name of a shipped one: world, tacos.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Everything goes here; default: runs/ and the file's name.", callback=folder_to_write
        ),
    ] = None,
    overrides: SetOption = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="NAME", help="Run this step alone; see --dry-run for the names.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run, why, and about how long; write nothing.")
    ] = False,
    any_code: Annotated[
        bool, typer.Option("--any-code", help="Take results that another version of the code made for current.")
    ] = False,
    launcher: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="torchrun [OPTIONS]: train in several processes. ray [ADDRESS [N]]: train in N, index on a cluster.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a whole experiment: data, features, both stages, library, fusion, evaluation, report.

    Run again, it does only what is not up to date, and goes on where it was stopped.

    Examples:

      ctf run --config world --out runs/world

      ctf run --config configs/run/tacos.yaml --set data.root=~/tacos --dry-run
    """
    from coarse_to_fine.main_pipeline.run_config import RunFile
    from coarse_to_fine.shipped_configs import find_config, shipped_configs

    file = find_config(config, "run")
    if not file.is_file():
        known = ", ".join(shipped_configs("run"))
        raise UserError(f"no configuration {config}; expected a YAML file, or one of {known}; check the name")
    settings = load_of_kind("run", RunFile, file, overrides)
    folder = out if out is not None else Path("runs") / config.stem
    command = _launcher(launcher)
    if dry_run:
        _print_plan(settings, folder, any_code, as_json)
    else:
        _run(settings, folder, step, any_code, command, as_json)


def _run(
    settings: RunFile, folder: Path, step: str | None, any_code: bool, launcher: tuple[str, ...], as_json: bool
) -> None:
    from coarse_to_fine.main_pipeline.run import run_experiment
    from coarse_to_fine.main_pipeline.steps.base import Work

    def begin(name: str, state: str, reason: str) -> None:
        output.warn(output.one_line(f"{name}: {state}" + (f" ({reason})" if reason else "")))

    def note(line: str) -> None:
        output.warn(output.one_line(f"  {line}"))

    with output.progress_bar("working", quiet=as_json) as advance:
        work = Work(advance, note, launcher)
        finished = run_experiment(settings, folder, work, only=step, any_code=any_code, begin=begin)
    report = folder / "report" / "report.md"
    if as_json:
        steps = [{"step": one.step, "state": one.state, "seconds": round(one.seconds, 3)} for one in finished]
        output.print_json({"out": str(folder), "steps": steps, "report": str(report) if report.is_file() else None})
        return
    for one in finished:
        if one.state != "up to date":
            typer.echo(f"{one.step}: done in {output.clock(one.seconds)}")
    typer.echo(f"report: {report}" if report.is_file() else f"results: {folder}")


def _print_plan(settings: RunFile, folder: Path, any_code: bool, as_json: bool) -> None:
    from coarse_to_fine.main_pipeline.plan import as_json as plan_as_json
    from coarse_to_fine.main_pipeline.plan import plan, total
    from coarse_to_fine.main_pipeline.steps import steps_of

    lines = plan(steps_of(settings, folder), folder, any_code)
    free = shutil.disk_usage(_existing(folder)).free
    if as_json:
        output.print_json(plan_as_json(lines, {"out": str(folder), "free_bytes": free}))
        return
    for line in lines:
        typer.echo(_plan_line(line))
    left = total(lines)
    typer.echo(
        f"in all about {output.clock(left.seconds)} on two CPU cores and {_size(left.bytes)}; "
        f"{_size(free)} are free at {folder}"
    )


def _plan_line(line: PlannedStep) -> str:
    if line.state == "up to date":
        return f"{line.step:<10} up to date"
    why = f"  ({line.reason})" if line.reason else ""
    return (
        f"{line.step:<10} {line.state:<10} about {output.clock(line.cost.seconds):>9} {_size(line.cost.bytes):>9}{why}"
    )


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _launcher(given: str | None) -> tuple[str, ...]:
    words = tuple(shlex.split(given or ""))
    if (words and words[0] not in LAUNCHERS) or (words[:1] == ("ray",) and not _for_ray(words[1:])):
        raise UserError(
            f"--launcher {given}; expected torchrun, alone or with its options, such as "
            '"torchrun --standalone --nproc-per-node 2", or ray, alone or with the address of a cluster and a number '
            'of processes, such as "ray auto 4"; correct it'
        )
    return words


def _for_ray(words: tuple[str, ...]) -> bool:
    return len(words) <= 1 or (len(words) == 2 and words[1].isdigit() and int(words[1]) > 0)
