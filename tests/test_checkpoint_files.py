"""Checkpoint files of others are read as tensors and plain values, and nothing in them runs."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from coarse_to_fine.checkpoint_files import ALLOWED, read_checkpoint
from coarse_to_fine.errors import WeightsError

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(1)}


@pytest.mark.parametrize(
    "document",
    [{"model": TENSORS, "epoch": 4}, {"state_dict": TENSORS, "epoch": 4, "optimizer": {}}],
    ids=["model", "state_dict"],
)
def test_both_entries_of_the_releases_are_found(tmp_path: Path, document: dict):
    torch.save(document, tmp_path / "a.ckpt")
    checkpoint = read_checkpoint(tmp_path / "a.ckpt")
    assert checkpoint.epoch == 4
    assert checkpoint.state.keys() == TENSORS.keys()
    assert torch.equal(checkpoint.state["a.weight"], TENSORS["a.weight"])


def test_tensors_alone_are_read_from_both_formats(tmp_path: Path):
    torch.save(TENSORS, tmp_path / "a.bin")
    save_file(TENSORS, tmp_path / "a.safetensors")
    for name in ("a.bin", "a.safetensors"):
        checkpoint = read_checkpoint(tmp_path / name)
        assert (checkpoint.options_kind, checkpoint.epoch) == ("none", None)
        assert all(torch.equal(checkpoint.state[key], value) for key, value in TENSORS.items())


def test_a_checkpoint_that_has_been_read_is_taken_as_it_is(tmp_path: Path):
    torch.save(TENSORS, tmp_path / "a.bin")
    checkpoint = read_checkpoint(tmp_path / "a.bin")
    assert read_checkpoint(checkpoint) is checkpoint
    assert str(checkpoint) == str(tmp_path / "a.bin")


def test_a_torchscript_program_is_refused_with_the_way_out(tmp_path: Path):
    module = torch.nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch deprecate such programs
        torch.jit.trace(module, torch.zeros(1, 2)).save(tmp_path / "ViT-B-32.pt")
        program = torch.jit.load(tmp_path / "ViT-B-32.pt")
    with pytest.raises(WeightsError, match=r"TorchScript archive, a program that is not run.*state_dict\(\)"):
        read_checkpoint(tmp_path / "ViT-B-32.pt")
    torch.save(program.state_dict(), tmp_path / "clip.pt")  # what the message advises
    assert torch.equal(read_checkpoint(tmp_path / "clip.pt").state["weight"], module.weight)


@pytest.mark.parametrize("document", [{"epoch": 3}, [1, 2], {"model": {"a": 1}}, {}])
def test_a_file_without_tensors_is_one_line(tmp_path: Path, document: object):
    torch.save(document, tmp_path / "a.pth")
    with pytest.raises(
        WeightsError, match=r"holds no tensors by name, neither under 'model' nor 'state_dict'"
    ) as error:
        read_checkpoint(tmp_path / "a.pth")
    assert "\n" not in str(error.value)


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "a.pth").write_bytes(b"PK")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WeightsError, match=r"a\.pth cannot be read \(Permission denied\)"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_damaged_safetensors_file_is_one_line(tmp_path: Path):
    (tmp_path / "a.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00broken")
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "a.safetensors")


def test_what_is_allowed_is_known_by_its_name_alone():
    """Pairs of an object and a name are new in torch 2.5; older releases take objects only."""
    assert [f"{one.__module__}.{one.__qualname__}" for one in ALLOWED] == ["argparse.Namespace", "easydict.EasyDict"]


def test_what_a_program_allows_besides_stays_as_it_was(tmp_path: Path):
    with torch.serialization.safe_globals([Path]):
        before = set(torch.serialization.get_safe_globals())
        torch.save({"model": TENSORS}, tmp_path / "a.ckpt")
        read_checkpoint(tmp_path / "a.ckpt")
        assert set(torch.serialization.get_safe_globals()) == before
