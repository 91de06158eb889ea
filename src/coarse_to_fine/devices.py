"""The choice of a device by name."""

from __future__ import annotations

import torch

from coarse_to_fine.errors import ConfigError


def resolve_device(name: str | torch.device) -> torch.device:
    """'auto' is CUDA if there is a device, else MPS, else the CPU.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise ConfigError(f"device {name!r} is not usable here; expected auto, cpu, cuda or mps; choose auto") from None
    return device
