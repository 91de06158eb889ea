"""Every shipped configuration of the fine stage loads, and builds the model that it describes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coarse_to_fine.config import load_config
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.train import FineTraining

CONFIGS = Path(__file__).parents[2] / "configs" / "fine"
PUBLISHED_PARAMETERS = {
    "qd-detr-qvhighlights-clip": 6_991_141,
    "qd-detr-qvhighlights-clip-slowfast": 7_585_573,
    "qd-detr-qvhighlights-clip-slowfast-pann": 8_113_957,
    "qd-detr-tacos-clip": 7_008_549,
    "qd-detr-charades-resnet-glove": 7_332_733,
}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_loads_and_selects_on_validation(path: Path) -> None:
    config = load_config(FineTraining, path)
    assert path.stem.startswith(config.recipe.name)
    assert config.run.select is not None


@pytest.mark.parametrize("name", sorted(PUBLISHED_PARAMETERS))
def test_published_configurations_have_the_published_number_of_parameters(name: str) -> None:
    config = load_config(FineTraining, CONFIGS / f"{name}.yaml")
    with torch.device("meta"):
        model = QdDetr(config.recipe.architecture)
    assert sum(parameter.numel() for parameter in model.parameters()) == PUBLISHED_PARAMETERS[name]


def test_the_bundled_architecture_is_small() -> None:
    config = load_config(FineTraining, CONFIGS / "qd-detr-world.yaml")
    with torch.device("meta"):
        model = QdDetr(config.recipe.architecture)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert 2 * parameters <= 3.5e6  # bytes in float16


def test_a_misspelt_key_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="hidden_dim"):
        load_config(FineTraining, CONFIGS / "qd-detr-world.yaml", ["recipe.architecture.hiden_dim=64"])
