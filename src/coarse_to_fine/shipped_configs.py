"""Finds a configuration file: the path that was given, else the file of that name that comes with the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs")
"""Where shipped files lie: inside an installed package, or beside `src/` in a checkout."""


def find_config(given: str | Path, kind: str = "") -> Path:
    """A file that is there, else the shipped one; `given` itself where neither is: reading it says what is wrong.

    Args:
        given: a path such as `configs/fine/qd-detr-world.yaml`, or the bare name of a shipped file.
        kind: folder of shipped files (`run`, `fine`, `coarse`) in which a bare name is looked for.
    """
    path = Path(given)
    if path.is_file() or path.is_absolute():
        return path
    parts = path.parts[1:] if path.parts[:1] == ("configs",) else path.parts
    inside = Path(*parts) if parts else path
    names = [inside, inside.with_name(inside.name + ".yaml")]
    if len(inside.parts) == 1 and kind:
        names += [kind / name for name in names]
    found = (folder / name for folder in FOLDERS for name in names)
    return next((candidate for candidate in found if candidate.is_file()), path)


def shipped_configs(kind: str) -> dict[str, Path]:
    """The shipped files of a kind by bare name."""
    found = (path for folder in FOLDERS for path in sorted((folder / kind).glob("*.yaml")))
    return {path.stem: path for path in found}
