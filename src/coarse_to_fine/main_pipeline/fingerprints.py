"""Hashes that tell whether a step's result is still that of its inputs: files, folders, code."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from coarse_to_fine.file_hashes import sha256_of, sha256_of_values

PACKAGE = "coarse_to_fine"
SOURCE = Path(__file__).resolve().parents[1]


def files_digest(paths: Iterable[Path], folder: Path) -> str:
    """One hash of the names below `folder` and the contents of files; `absent` where one of them is not there."""
    wanted = sorted(paths)
    if not all(path.is_file() for path in wanted):
        return "absent"
    return sha256_of_values({path.relative_to(folder).as_posix(): sha256_of(path) for path in wanted})


def listing_digest(paths: Iterable[Path]) -> str:
    """One hash of the names, sizes and times of change of files that are too large to be read for it."""
    states = {}
    for path in sorted(paths):
        status = path.stat()
        states[str(path)] = [status.st_size, status.st_mtime_ns]
    return sha256_of_values(states)


def code_digest(module: str) -> str:
    """One hash of the source of a module and of everything of this package that it imports, wherever it does so."""
    sources = _closure(module)
    return sha256_of_values({name: sha256_of(path) for name, path in sources.items()})


@cache
def _closure(module: str) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting.extend(_imports(path))
    return found


@cache
def _imports(path: Path) -> set[str]:
    """Modules of this package that a file names in import statements, also those inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == PACKAGE}


def _file(module: str) -> Path | None:
    """The file of a module; None where the name is that of something inside a module."""
    base = SOURCE.joinpath(*module.split(".")[1:])
    plain, package = base.with_suffix(".py"), base / "__init__.py"
    if base != SOURCE and plain.is_file():
        return plain
    return package if package.is_file() else None
