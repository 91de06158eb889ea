"""What files of tensors ask of the place where they lie."""

from __future__ import annotations

import os
from pathlib import Path

from coarse_to_fine.errors import UserError


def require_utf8(path: str | Path) -> None:
    """Refuse a place that safetensors cannot open: it takes paths in UTF-8 alone.

    Raises:
        UserError: a part of the path is no text.
    """
    if not _is_utf8(os.path.abspath(path)):  # noqa: PTH100 (links stay: their names are what is opened)
        raise UserError(
            f"{path}: a name in this path is not UTF-8; expected one that is, for libraries, features and models; "
            "rename that folder, or choose another place"
        )


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
