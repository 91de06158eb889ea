"""Finds the recorded cases of a parity suite and reads their tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

COMMITTED = Path(__file__).parent / "data"
FULL = Path(__file__).parents[3] / "shared" / "parity"


@dataclass(frozen=True)
class Case:
    """One entry of a suite's index with its tensors, int8 tensors already scaled to float32."""

    name: str
    kind: str
    config: dict[str, Any]
    values: dict[str, Any]
    entry: dict[str, Any]
    tensors: dict[str, Tensor]
    folder: Path

    def group(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix.`, without it."""
        start = prefix + "."
        return {name[len(start) :]: value for name, value in self.tensors.items() if name.startswith(start)}

    def assert_close(self, actual: Tensor, expected: Tensor, what: str = "") -> None:
        tolerance = self.entry.get("tolerance") or {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(
            actual.detach().to(torch.float64),
            expected.to(torch.float64),
            rtol=tolerance["rtol"],
            atol=tolerance["atol"],
            equal_nan=True,
            msg=lambda message: f"{self.name} {what}: {message}",
        )


def suite_folder(config: pytest.Config, suite: str) -> Path | None:
    """Folder of a suite: the one asked for, else the full set beside the checkout, else the committed cases."""
    asked = config.getoption("--parity-dir")
    for root in [asked] if asked else [FULL, COMMITTED]:
        if (root / suite / "index.json").exists():
            return Path(root) / suite
    return None


def parametrize(metafunc: pytest.Metafunc, suite: str, kind: str) -> None:
    """Gives a test that takes `case` every case of one kind; none of that kind: one skipped test."""
    folder = suite_folder(metafunc.config, suite)
    entries = json.loads((folder / "index.json").read_text())["cases"] if folder else []
    cases = [(folder, entry) for entry in entries if entry["kind"] == kind]
    metafunc.parametrize("case", cases, ids=[entry["name"] for _, entry in cases], indirect=True)


def read_case(folder: Path, entry: dict[str, Any]) -> Case:
    tensors = (
        read_tensors(folder / entry["file"], entry["tensors"])
        if str(entry.get("file", "")).endswith("safetensors")
        else {}
    )
    return Case(entry["name"], entry["kind"], entry.get("config", {}), entry.get("values", {}), entry, tensors, folder)


def read_tensors(path: Path, described: dict[str, Any]) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, about in described.items():
        if "scale" in about:
            tensors[name] = tensors[name].to(torch.float32) * about["scale"]
    return tensors
