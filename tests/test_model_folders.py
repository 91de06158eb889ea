"""Models of any stage are stored as one folder format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file

from coarse_to_fine import model_folders
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.model_folders import CONFIG_FILE, WEIGHTS_FILE, StoredModel, build, read_document, save_model


class Size(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = 3


class Small(StoredModel):
    """A linear layer and a counter."""

    name: ClassVar[str] = "small"
    config_class: ClassVar[type[BaseModel]] = Size

    def __init__(self, config: Size) -> None:
        super().__init__()
        self.config = config
        self.linear = torch.nn.Linear(config.width, 2)
        self.register_buffer("steps", torch.tensor([2**40 + 1]))


@pytest.fixture
def model() -> Small:
    torch.manual_seed(0)
    return Small(Size(width=4))


@pytest.mark.parametrize("half", [False, True])
def test_a_stored_model_comes_back(model: Small, tmp_path: Path, half: bool):
    save_model(model, tmp_path / "new" / "folder", half=half)
    again = build(Small, read_document(tmp_path / "new" / "folder"), tmp_path / "new" / "folder")
    assert again.config == model.config
    assert not again.training
    assert torch.equal(again.steps, model.steps)  # whole numbers are never rounded
    expected = model.linear.weight.half().float() if half else model.linear.weight
    assert torch.equal(again.linear.weight, expected)
    stored = load_file(tmp_path / "new" / "folder" / WEIGHTS_FILE)["linear.weight"]
    assert stored.dtype == (torch.float16 if half else torch.float32)


def test_the_config_file_says_what_and_from_where(model: Small, tmp_path: Path):
    save_model(model, tmp_path, origin={"source_sha256": "ab"})
    document = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert (document["format"], document["model"], document["config"]) == (1, "small", {"width": 4})
    assert document["origin"] == {"source_sha256": "ab"}
    assert build(Small, document, tmp_path).origin == {"source_sha256": "ab"}
    assert model.origin == {}


@pytest.fixture
def other() -> Small:
    torch.manual_seed(1)
    return Small(Size(width=4))


def test_a_full_disk_leaves_the_model_that_was_there(
    model: Small, other: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save_model(model, tmp_path)

    def full_disk(state: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folders, "save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_model(other, tmp_path)
    assert torch.equal(build(Small, read_document(tmp_path), tmp_path).linear.weight, model.linear.weight)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_folder_that_was_left_halfway_has_no_config(
    model: Small, other: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: int
):
    save_model(model, tmp_path)
    plain, left = Path.replace, iter([True] * renamed)

    def replace(self: Path, target: Path) -> Path:
        if not next(left, False):
            raise KeyboardInterrupt
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        save_model(other, tmp_path)
    with pytest.raises(WeightsError, match=r"no config\.json"):
        read_document(tmp_path)


def test_many_wrong_tensors_stay_one_short_line(model: Small, tmp_path: Path):
    save_model(model, tmp_path)
    document = read_document(tmp_path)
    document["config"] = {"width": 5}
    with pytest.raises(WeightsError, match=r"linear.weight has shape \(2, 4\) instead of \(2, 5\)") as error:
        build(Small, document, tmp_path)
    assert "\n" not in str(error.value)


class Tied(Small):
    """Two of its weights are one tensor."""

    name: ClassVar[str] = "tied"

    def __init__(self, config: Size) -> None:
        super().__init__(config)
        self.other = torch.nn.Linear(config.width, 2)
        self.other.weight = self.linear.weight


def test_weights_that_share_memory_are_stored(tmp_path: Path):
    model = Tied(Size())
    save_model(model, tmp_path)
    loaded = build(Tied, read_document(tmp_path), tmp_path)
    assert torch.equal(loaded.linear.weight, model.linear.weight)
    assert loaded.linear.weight is loaded.other.weight


def test_a_model_of_ones_own_is_not_found_by_name(model: Small, tmp_path: Path) -> None:
    save_model(model, tmp_path)
    with pytest.raises(
        WeightsError, match=r"holds a model 'small', .*give a model of your own as an object: CLASS.from"
    ):
        load_fine(tmp_path)
