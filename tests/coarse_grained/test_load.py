"""Names and folders lead to models, or to one line that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.model_folders import save_model
from tests.coarse_grained.models import small_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(small_model("t-mass"), tmp_path / "stored")
    return tmp_path / "stored"


def test_mean_pool_needs_no_weights_and_takes_any_encoder():
    assert load_coarse("mean-pool", encoder="clip-vit-b-32").name == "mean-pool"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"no coarse model 't-mas'.*mean-pool, t-mass"):
        load_coarse("t-mas")


def test_t_mass_for_a_foreign_encoder_asks_for_a_folder():
    with pytest.raises(
        WeightsError, match=r"no bundled weights of t-mass for the encoder clip-vit-b-32.*give that folder"
    ):
        load_coarse("t-mass", encoder="clip-vit-b-32")


def test_weights_of_another_model_are_refused(folder: Path):
    with pytest.raises(WeightsError, match="holds a t-mass model, expected mean-pool"):
        load_coarse("mean-pool", weights=folder)


def test_a_missing_and_an_unknown_tensor_are_both_named(folder: Path):
    state = load_file(folder / "model.safetensors")
    state["radius.scale"] = state.pop("radius.linear.bias")
    save_file(state, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"missing radius.linear.bias; unknown radius.scale"):
        load_coarse(folder)


def test_a_tensor_of_another_shape_is_named(folder: Path):
    state = load_file(folder / "model.safetensors")
    state["radius.linear.bias"] = torch.zeros(3)
    save_file(state, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"radius.linear.bias has shape \(3,\) instead of \(32,\)"):
        load_coarse(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "not a model of format 1"),
        ({"model": "qd-detr"}, "holds a model 'qd-detr', expected one of mean-pool, t-mass"),
        ({"config": {"embed_dim": 32, "heads": 2}}, "does not describe a t-mass model"),
    ],
)
def test_a_foreign_config_is_refused(folder: Path, change: dict, message: str):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsError, match=message):
        load_coarse(folder)


def test_damaged_files_are_told_apart(folder: Path):
    (folder / "model.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match=r"cannot read .*model.safetensors"):
        load_coarse(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read as JSON"):
        load_coarse(folder)


def test_the_config_says_where_weights_come_from(tmp_path: Path):
    save_model(small_model("t-mass"), tmp_path, origin={"encoder": "tiny-world", "seed": 3})
    document = json.loads((tmp_path / "config.json").read_text())
    assert document["origin"] == {"encoder": "tiny-world", "seed": 3}
    assert document["created_by"].startswith("coarse-to-fine ")
