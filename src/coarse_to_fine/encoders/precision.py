"""In which arithmetic an image tower computes, and what that means for the fingerprint of its features.

`fp32` is the reference. `bf16` runs the large products of the image tower in bfloat16 (autocast; weights and sums stay
float32). Its features differ from the reference by more than the rounding of their storage (float16), so they carry
another fingerprint. Sentences are always embedded in float32: they are few, and the same in every library.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch

from coarse_to_fine.errors import ConfigError

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def require_precision(name: str) -> Precision:
    """The precision of a name.

    Raises:
        ConfigError: there is none of that name.
    """
    for known in PRECISIONS:
        if name == known:
            return known
    raise ConfigError(f"precision {name!r}; expected {' or '.join(PRECISIONS)}; choose one of them")


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The context in which an image tower computes."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def fingerprint_in(precision: Precision, fingerprint: str) -> str:
    """The fingerprint of features in this precision, from the one in fp32, which stays as it is."""
    if precision == "fp32":
        return fingerprint
    return hashlib.sha256(f"{fingerprint} images in {precision}".encode()).hexdigest()
