"""What files of tensors ask of the place where they lie, and of the tensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coarse_to_fine.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


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


def unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU of which no two share memory (safetensors refuses that)."""
    seen: set[int] = set()
    plain = {}
    for name, tensor in tensors.items():
        stored = tensor.detach().to("cpu").contiguous()
        address = stored.untyped_storage().data_ptr()
        if address in seen or stored.untyped_storage().nbytes() != stored.nbytes:
            stored = stored.clone()
        seen.add(address)
        plain[name] = stored
    return plain


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
