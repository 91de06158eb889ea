"""Options that several verbs share, declared once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coarse_to_fine.errors import UserError

if TYPE_CHECKING:
    from coarse_to_fine.fusion import FusionConfig


class PrecisionName(str, Enum):
    """Arithmetic of an image tower."""

    fp32 = "fp32"
    bf16 = "bf16"


class BackendName(str, Enum):
    """Who computes an image tower."""

    torch = "torch"
    onnx = "onnx"


LibraryOption = Annotated[
    Path | None,
    typer.Option("--library", "-l", metavar="DIR", help="The library; may be left out inside a folder that holds one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[
    PrecisionName | None,
    typer.Option(
        "--precision",
        help="Arithmetic of the image tower: fp32 (default) or bf16, faster where the processor has it; stored.",
    ),
]
BackendOption = Annotated[
    BackendName,
    typer.Option("--backend", help="Who computes the image tower: torch, or onnx (ONNX Runtime on the CPU)."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file; repeatable.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of the stochastic text of T-MASS.")]
LayoutArgument = Annotated[Path, typer.Argument(help="Folder with videos.jsonl and queries.<split>.jsonl.")]
COARSE = typer.Option("--coarse", metavar="NAME", help="A name such as t-mass, an unknown one lists all; or a folder.")
FINE = typer.Option("--fine", metavar="NAME", help="A name such as qd-detr, an unknown one lists all; or a folder.")
CoarseOption = Annotated[str | None, COARSE]
FineOption = Annotated[str | None, FINE]
FusionOption = Annotated[
    Path | None,
    typer.Option(
        "--fusion",
        metavar="FILE",
        help="How the scores of both stages are joined, as `ctf train fusion` writes it. Left out: what was chosen for "
        "two bundled models, the defaults for others.",
    ),
]


def stored_fusion(path: Path | None) -> FusionConfig | None:
    """What `--fusion` names; None where it was left out.

    Raises:
        ConfigError: the file holds no fusion.
    """
    from coarse_to_fine.fusion import read_fusion  # loads torch, which help does not need

    return None if path is None else read_fusion(path)


def require_missing_rule(rule: str) -> None:
    """Raise UserError unless `--missing-video` is one of its two rules."""
    if rule not in ("refuse", "drop"):
        raise UserError(f"--missing-video {rule}; expected refuse or drop")


def find_library(given: Path | None) -> Path:
    """The library that was named, else the only one in the current folder or the current folder itself."""
    if given is not None:
        return given
    here = Path.cwd()
    if (here / "catalogue.sqlite").exists():
        return here
    found = sorted(path.parent for path in here.glob("*/catalogue.sqlite"))
    if len(found) == 1:
        return found[0]
    got = "no library here" if not found else f"{len(found)} libraries here: {', '.join(path.name for path in found)}"
    raise UserError(f"{got}; name one with --library DIR, or make one with: ctf index FOLDER --library videos.ctf")
