"""Checkpoints in the layout of the releases, with random tensors of the recorded shapes."""

from __future__ import annotations

import argparse
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.cases import suite_folder

EasyDict: Any = type("EasyDict", (dict,), {"__module__": "easydict"})
"""Pickles like the class of that package."""


def recorded_shapes(config: pytest.Config) -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the released checkpoints, by family; skips where they are not at hand."""
    folder = suite_folder(config, "qd_detr")
    path = folder / "checkpoint_keys.json" if folder else None
    if path is None or not path.exists():
        pytest.skip("no recorded checkpoint keys")
    return {name: about["keys"] for name, about in json.loads(path.read_text()).items()}


def random_state(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: 0.05 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def write_checkpoint(path: Path, state: dict[str, Tensor], options: Any) -> Path:
    adam = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]}
    scheduler = {"step_size": 400, "last_epoch": 3, "_last_lr": [1e-4]}
    document = {"model": state, "optimizer": adam, "lr_scheduler": scheduler, "epoch": 3, "opt": options}
    stand_in = types.ModuleType("easydict")
    stand_in.EasyDict = EasyDict  # type: ignore[attr-defined]
    sys.modules["easydict"] = stand_in  # pickle looks a class up by its name; reading has to do without it
    try:
        torch.save(document, path)
    finally:
        del sys.modules["easydict"]
    return path


def official_options(**fields: Any) -> argparse.Namespace:
    return argparse.Namespace(nheads=8, device=torch.device("cpu"), v_feat_dirs=["clip"], use_txt_pos=False, **fields)


def lighthouse_options(**fields: Any) -> Any:
    """As easydict makes them: the entries are both items and attributes."""
    options = EasyDict({"nheads": 8, "dset_name": "qvhighlight", **fields})
    options.__dict__.update(options)
    return options
