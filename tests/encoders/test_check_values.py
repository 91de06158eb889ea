"""Encoders are held to the values that are kept beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coarse_to_fine.encoders import encoder_folder, load_encoder
from coarse_to_fine.encoders.check_values import CHECK_FILE, write_check_values
from coarse_to_fine.errors import WeightsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder_folder("tiny-world"), tmp_path / "tiny"))


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def test_the_bundled_encoder_computes_its_values_in_both_precisions(folder: Path) -> None:
    assert (folder / CHECK_FILE).is_file()
    assert load_encoder(folder).fingerprint == load_encoder("tiny-world").fingerprint
    load_encoder(folder, precision="bf16")


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [("hidden_act", "quick_gelu", "picture"), ("num_attention_heads", 2, "picture")],
)
def test_another_architecture_of_the_same_shapes_is_refused(folder: Path, field: str, value: Any, part: str) -> None:
    change(folder / "config.json", lambda document: document["vision_config"].update({field: value}))
    with pytest.raises(WeightsError, match=rf"something else of the {part}.* expected at least 0\.9995") as error:
        load_encoder(folder)
    assert "\n" not in str(error.value)
    (folder / CHECK_FILE).unlink()
    load_encoder(folder)


def test_another_text_tower_is_refused(folder: Path) -> None:
    change(folder / "config.json", lambda document: document["text_config"].update(num_attention_heads=2))
    with pytest.raises(WeightsError, match="something else of the sentence"):
        load_encoder(folder)


def test_values_of_another_width_are_refused(folder: Path) -> None:
    change(folder / CHECK_FILE, lambda document: document.update(picture=document["picture"][:3]))
    with pytest.raises(WeightsError, match=r"something else of the picture .*cosine 0\.0000"):
        load_encoder(folder)


def test_written_values_are_those_of_the_encoder(folder: Path) -> None:
    before = (folder / CHECK_FILE).read_text()
    (folder / CHECK_FILE).unlink()
    write_check_values(load_encoder(folder), folder)
    expected, found = json.loads(before), json.loads((folder / CHECK_FILE).read_text())
    assert found.keys() == expected.keys()
    assert all(found[part] == pytest.approx(expected[part], abs=1e-4) for part in expected)
