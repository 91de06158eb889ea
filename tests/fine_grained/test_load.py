"""Fine models by name and by folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.fine_grained import FINE_MODELS, load_fine
from coarse_to_fine.model_folders import BUNDLED, CONFIG_FILE, WEIGHTS_FILE, save_model
from tests.fine_grained.conftest import small_model


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"did you mean 'qd-detr'\?") as error:
        load_fine("qd-dter")
    assert all(name in str(error.value) for name in FINE_MODELS)


def test_the_folder_of_a_run_leads_to_its_model(tmp_path: Path) -> None:
    save_model(small_model("qd-detr"), tmp_path / "model")
    with pytest.raises(UserError, match=rf"no fine model .*; did you mean '{tmp_path}/model'\?"):
        load_fine(tmp_path)
    with pytest.raises(WeightsError, match=rf"did you mean '{tmp_path}/model'\?"):
        load_fine("qd-detr", weights=tmp_path)


def test_the_training_free_model_needs_no_weights() -> None:
    assert load_fine("similarity", encoder="clip-vit-b-32").name == "similarity"


def test_a_trained_model_for_another_encoder_needs_a_folder() -> None:
    with pytest.raises(WeightsError, match="clip-vit-b-32"):
        load_fine("qd-detr", encoder="clip-vit-b-32")


def test_weights_of_a_named_model_are_read_from_a_folder(tmp_path: Path) -> None:
    save_model(small_model("qd-detr"), tmp_path)
    assert load_fine("qd-detr", weights=tmp_path, encoder="clip-vit-b-32").name == "qd-detr"


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_model(small_model("similarity"), tmp_path)
    with pytest.raises(WeightsError, match="similarity model, expected qd-detr"):
        load_fine("qd-detr", weights=tmp_path)


def test_bundled_weights_load_where_they_are() -> None:
    if not (BUNDLED / "qd-detr-world" / CONFIG_FILE).exists():
        pytest.skip("no bundled weights yet")
    assert load_fine("qd-detr", encoder="tiny-world").name == "qd-detr"


@pytest.mark.parametrize(
    "damage", ["no config", "not json", "other format", "unknown key", "no weights", "cut weights"]
)
def test_a_damaged_folder_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    save_model(small_model("qd-detr"), tmp_path)
    config, weights = tmp_path / CONFIG_FILE, tmp_path / WEIGHTS_FILE
    document = json.loads(config.read_text())
    if damage == "no config":
        config.unlink()
    elif damage == "not json":
        config.write_text("{")
    elif damage == "other format":
        config.write_text(json.dumps({**document, "format": 99}))
    elif damage == "unknown key":
        config.write_text(json.dumps({**document, "config": {**document["config"], "hiden_dim": 3}}))
    elif damage == "no weights":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError) as error:
        load_fine("qd-detr", weights=tmp_path)
    assert "\n" not in str(error.value)
