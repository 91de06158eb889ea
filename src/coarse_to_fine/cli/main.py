"""The command `ctf`: registers one module a verb and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping
from functools import cache
from typing import Any, NoReturn

import typer

from coarse_to_fine.cli import (
    clip,
    data,
    demo,
    evaluate,
    extract,
    features,
    generate,
    index,
    library,
    output,
    plot,
    search,
    serve,
    train,
    weights,
)
from coarse_to_fine.cli import run as experiment
from coarse_to_fine.errors import CtfError

INTERRUPTED = 130
SPINS = "2000"
"""Times that a thread of PyTorch looks for its next operation before it sleeps; by itself it looks for milliseconds."""
HELP = """Find moments in your videos from a sentence.

A coarse stage (T-MASS) ranks the videos of a library, a fine stage (MESM or QD-DETR) locates the moments inside the
best ones.

Examples:

  ctf demo

  ctf index ~/Videos --library videos.ctf

  ctf search "a dog jumps into the water" --library videos.ctf
"""

app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
app.command("demo")(demo.demo)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("clip")(clip.clip)
app.command("plot")(plot.plot)
app.command("serve")(serve.serve)
app.command("extract")(extract.extract)
app.command("run")(experiment.run)
app.add_typer(library.app, name="library")
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
app.add_typer(generate.app, name="generate")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(weights.app, name="weights")


def print_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from coarse_to_fine import __version__

        typer.echo(f"coarse-to-fine {__version__}")
        raise typer.Exit


@app.callback()
def options(
    verbose: bool = typer.Option(False, "--verbose", help="Show the whole trace of an error."),
    version: bool = typer.Option(
        False, "--version", help="Print the version and leave.", is_eager=True, callback=print_version
    ),
) -> None:
    if verbose:
        os.environ["CTF_VERBOSE"] = "1"


def wait_asleep(environment: MutableMapping[str, str]) -> None:
    """Let threads of PyTorch that have nothing to do leave the cores to other work; before torch is imported.

    On a machine that is busy otherwise, threads that spin keep those that they wait for from running: a search took ten
    times as long. Where somebody has chosen a policy it stays.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", SPINS)
        environment.setdefault("KMP_BLOCKTIME", "0")


@cache
def command() -> Callable[..., Any]:
    """All verbs with their options; made once, also where a process calls `run` again and again."""
    return typer.main.get_command(app)


def run() -> None:
    """Entry point: exit code 0 done, 1 part of the work failed, 2 the user's mistake or unusable input."""
    output.write_any_letter()
    wait_asleep(os.environ)
    try:
        code = command()(prog_name="ctf", standalone_mode=False)  # errors of the parser come here too
        sys.stdout.flush()  # a full disk is noticed here, where it gets its line
    except CtfError as error:
        if os.environ.get("CTF_VERBOSE"):
            raise
        stop(str(error), 2)
    except BrokenPipeError:
        drop_output()
        sys.exit(1)
    except OSError as error:
        if os.environ.get("CTF_VERBOSE"):
            raise
        stop_for_the_system(error)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own copy of click's errors has no public name
            raise
        stop_for_usage(error)
    if code == INTERRUPTED:
        stop("stopped; run the same command again to go on", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def stop(message: str, code: int) -> NoReturn:
    """One line on stderr and the exit code."""
    print(f"ctf: {message}", file=sys.stderr)
    sys.exit(code)


def stop_for_the_system(error: OSError) -> NoReturn:
    """What the system refused in one line."""
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
    place = f"{error.filename}: " if error.filename is not None else ""
    stop(
        f"{place}{error.strerror or error}; expected files and folders that can be read and written, and free space; "
        "check the path and its permissions (ctf --verbose shows where it happened)",
        2,
    )


def drop_output() -> None:
    """Let what stdout still holds go nowhere: its reader has left, or its disk is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stop_for_usage(error: Any) -> NoReturn:
    """A wrong option or verb in one line; help where nothing at all was given."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        sys.exit(2)
    path = error.ctx.command_path if getattr(error, "ctx", None) is not None else "ctf"
    stop(f"{' '.join(error.format_message().split())} (see {path} --help)", 2)


if __name__ == "__main__":
    run()
