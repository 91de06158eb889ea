"""Stage models are saved and loaded in the layout of a model hub, from a folder and from its local copies."""

from __future__ import annotations

import json

import pytest
import torch

from coarse_to_fine.coarse_grained import COARSE_MODELS
from coarse_to_fine.coarse_grained.mean_pool.model import MeanPool
from coarse_to_fine.coarse_grained.t_mass.config import TMassConfig
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained import FINE_MODELS
from coarse_to_fine.model_folders import BUNDLED, StoredModel


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TMass(TMassConfig(embed_dim=8, num_frames=4, trials=3)).eval()


def test_every_stage_model_has_both_methods():
    for made in (*COARSE_MODELS.values(), *FINE_MODELS.values()):
        assert issubclass(made, StoredModel)
        assert callable(made.from_pretrained)
        assert callable(made.save_pretrained)


def test_a_saved_model_comes_back_with_its_card(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "new" / "t-mass")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = TMass.from_pretrained(folder)
    assert again.config == model.config
    text, frames = torch.randn(2, 8), torch.randn(3, 4, 8)
    assert torch.equal(again.score(text, frames, 0), model.score(text, frames, 0))
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: coarse-to-fine\n")
    assert '"embed_dim": 8' in card
    assert "TMass.from_pretrained" in card


def test_origin_and_a_written_card_stay(model, tmp_path):
    model.origin = {"encoder": {"name": "tiny-world", "fingerprint": "ab12"}, "run": {"epochs": 3, "seed": 7}}
    model.save_pretrained(tmp_path)
    card = tmp_path / "README.md"
    assert "encoder tiny-world, fingerprint ab12" in card.read_text()
    assert "3 epochs" in card.read_text()
    card.write_text("by hand")
    again = TMass.from_pretrained(tmp_path)
    again.save_pretrained(tmp_path, half=True)
    assert card.read_text() == "by hand"
    assert json.loads((tmp_path / "config.json").read_text())["origin"]["run"]["seed"] == 7


def test_a_hub_name_is_looked_up_among_local_copies(model, tmp_path):
    home = tmp_path / "models--someone--head"
    revision = "0" * 40
    model.save_pretrained(home / "snapshots" / revision)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision)
    again = TMass.from_pretrained("someone/head", cache_dir=tmp_path)
    assert torch.equal(next(again.parameters()), next(model.parameters()))
    with pytest.raises(WeightsError, match=r"someone/other is not on this machine; .*allow_download=True"):
        TMass.from_pretrained("someone/other", cache_dir=tmp_path)


def test_another_model_or_no_folder_is_refused(model, tmp_path):
    model.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="holds a t-mass model, expected mean-pool"):
        MeanPool.from_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="no folder"):
        TMass.from_pretrained(tmp_path / "absent")


@pytest.mark.parametrize("name", ["t-mass-world", "qd-detr-world"])
def test_bundled_models_have_the_layout(name):
    """A card with data, run, results and licence beside configuration and weights."""
    folder = BUNDLED / name
    document = json.loads((folder / "config.json").read_text())
    made = {**COARSE_MODELS, **FINE_MODELS}[document["model"]]
    assert not made.from_pretrained(folder).training
    card = (folder / "README.md").read_text()
    for word in ("licence", "Data:", "Run:", "validation split"):
        assert word in card, word
