from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from coarse_to_fine.errors import WeightsError
from coarse_to_fine.training.checkpoints import read_tensors, write_tensors


def test_tensors_and_state_come_back(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tensors = {"a": shared, "b": shared[:3], "c": shared.view(2, 3).T, "n": torch.tensor(7), "h": shared.half()}
    state = {"step": 3, "loss": 0.1 + 0.2, "name": "ü", "none": None}
    write_tensors(tmp_path / "x.safetensors", tensors, state)
    read, read_state = read_tensors(tmp_path / "x.safetensors")
    assert read_state == state
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == tensor.dtype


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(2)}, {"step": 1})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_tensors(path, {"a": torch.zeros(2)}, {"step": 2})
    tensors, state = read_tensors(path)
    assert (tensors["a"].tolist(), state) == ([1, 1], {"step": 1})
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("cut", [0, 7, 60, -1])
def test_damaged_checkpoints_are_refused_by_name(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "last.safetensors"
    write_tensors(path, {"a": torch.ones(20)}, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WeightsError, match=r"last\.safetensors: not a whole safetensors file"):
        read_tensors(path)


def test_missing_checkpoints_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors: no such file"):
        read_tensors(tmp_path / "none.safetensors")
