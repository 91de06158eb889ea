from __future__ import annotations

import pytest
import torch

from coarse_to_fine.devices import resolve_device
from coarse_to_fine.errors import ConfigError


def test_auto_is_a_device_that_works() -> None:
    assert torch.ones(2, device=resolve_device("auto")).sum().item() == 2


def test_unusable_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cuda:99' is not usable here"):
        resolve_device("cuda:99")
    with pytest.raises(ConfigError, match="'gpu'"):
        resolve_device("gpu")
