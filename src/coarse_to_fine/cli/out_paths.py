"""Places that results go to, checked before the work whose results they get: callbacks of options."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from coarse_to_fine.errors import UserError
from coarse_to_fine.tensor_files import require_utf8


def file_to_write(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """A file whose folder is there and may be written, or can be made.

    Raises:
        UserError: it is a folder, or nothing can be written where it would be.
    """
    if path is None or (path.exists() and not path.is_dir() and not path.is_file()):  # such as /dev/stdout
        return path
    if path.is_dir():
        raise UserError(f"{_named(param, path)} is a folder; expected a file; name one in it, or another place")
    _check_folder(param, path, path.absolute().parent)
    return path


def folder_to_write(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """A folder that may be written, or can be made.

    Raises:
        UserError: it is a file, its path is no text, or nothing can be written where it would be.
    """
    if path is not None:
        require_utf8(path)
        _check_folder(param, path, path.absolute())
    return path


def _check_folder(param: typer.CallbackParam, path: Path, folder: Path) -> None:
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise UserError(
            f"{_named(param, path)}: {nearest} is no folder; expected one or a new name; choose another one"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(
            f"{_named(param, path)}: {nearest} cannot be written; expected a folder that this user may write; "
            "choose another one or fix its permissions"
        )


def _named(param: typer.CallbackParam, path: Path) -> str:
    return f"{param.opts[0]} {path}" if param.opts[0].startswith("-") else str(path)
