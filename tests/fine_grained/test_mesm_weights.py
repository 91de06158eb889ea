"""Released MESM checkpoints: every configuration, unused parts kept, nothing unpickled that runs."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.fine_grained.mesm.config import MesmConfig
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.mesm.weights import (
    UNUSED,
    from_released_state,
    import_checkpoint,
    released_state,
    save_checkpoint,
)
from coarse_to_fine.model_folders import save_model
from coarse_to_fine.types import SegmentFeatures, TextFeatures
from tests.fine_grained.qd_detr_checkpoints import official_options, random_state, write_checkpoint
from tests.parity.cases import suite_folder

Shapes = dict[str, dict[str, list[int]]]


@pytest.fixture(scope="module")
def shapes(pytestconfig: pytest.Config) -> Shapes:
    """Names and shapes of the released checkpoints by configuration."""
    folder = suite_folder(pytestconfig, "mesm")
    path = folder / "checkpoint_keys.json" if folder else None
    if path is None or not path.exists():
        pytest.skip("no recorded checkpoint keys")
    configs: Shapes = json.loads(path.read_text())["configs"]
    return configs


def test_every_released_configuration_is_read_and_written_back(shapes: Shapes) -> None:
    assert len(shapes) == 5
    for name, keys in shapes.items():
        state = {key: torch.full(shape, float(at)) for at, (key, shape) in enumerate(keys.items())}
        model, unused = from_released_state(state, heads=8)
        config = model.config
        assert config.stored_dim + 2 == keys["input_vid_proj.0.LayerNorm.weight"][0]
        assert config.word_classes == keys["output_txt_proj.1.bias"][0]
        assert config.max_words == (32 if "qvhighlights" in name else 16)
        assert config.share_feed_forward == ("tacos" not in name)
        assert (config.enhancement_layers, config.summary_layers, config.alignment_layers) == (2, 4, 2)
        assert set(unused) == {key for key in keys if key.startswith(UNUSED)}
        back = released_state(model, unused)
        assert back.keys() == state.keys()
        assert all(torch.equal(back[key], state[key]) for key in state)


def test_an_imported_model_is_stored_and_written_for_the_release(shapes: Shapes, tmp_path: Path) -> None:
    keys = shapes["charades_C+SF_C"]
    path = write_checkpoint(tmp_path / "model_test_best.ckpt", random_state(keys), official_options())
    imported = import_checkpoint(path, official_mask=True)
    assert imported.options["nheads"] == 8
    assert imported.model.config.official_mask
    save_model(imported.model, tmp_path / "stored")
    stored = load_fine(tmp_path / "stored")
    video = SegmentFeatures("v#0", "v", 0.0, 8.0, 1.0, torch.zeros(8, 512), torch.randn(8, 2816))
    text = TextFeatures("x", torch.zeros(512), torch.randn(5, 512))
    first, second = (model.locate([(model.video_cache(video), text)])[0] for model in (imported.model, stored))
    assert torch.equal(first.windows_s, second.windows_s)
    save_checkpoint(imported.model, tmp_path / "back.ckpt", imported.unused)
    again = import_checkpoint(tmp_path / "back.ckpt")
    assert again.unused.keys() == imported.unused.keys()
    assert all(torch.equal(again.model.state_dict()[k], v) for k, v in imported.model.state_dict().items())


LIMITS = {
    "charades_VGG_GloVe": 600,
    "charades_C+SF_C": 194,
    "charades-cg_C+SF_C": 194,
    "tacos_C3D_GloVe": 600,
    "qvhighlights_C+SF_C": 75,
}


@pytest.mark.parametrize("name", LIMITS)
def test_an_import_settles_how_many_clips_are_read(shapes: Shapes, tmp_path: Path, name: str) -> None:
    path = write_checkpoint(tmp_path / "model.ckpt", random_state(shapes[name]), official_options())
    assert import_checkpoint(path).model.config.max_clips == LIMITS[name]
    assert import_checkpoint(path, max_clips=50).model.config.max_clips == 50
    told = official_options(max_video_l=123)
    path = write_checkpoint(tmp_path / "told.ckpt", random_state(shapes[name]), told)
    assert import_checkpoint(path).model.config.max_clips == 123


@pytest.mark.parametrize("limit", [None, 7])
def test_the_clip_limit_outlives_an_export(shapes: Shapes, tmp_path: Path, limit: int | None) -> None:
    state = {key: torch.zeros(shape) for key, shape in shapes["charades_C+SF_C"].items()}
    model, unused = from_released_state(state, heads=8, max_clips=limit)
    save_checkpoint(model, tmp_path / "back.ckpt", unused)
    assert import_checkpoint(tmp_path / "back.ckpt").model.config.max_clips == limit


def test_a_model_of_ours_is_written_with_the_unused_parts(shapes: Shapes) -> None:
    torch.manual_seed(0)
    model = Mesm(MesmConfig(video_feature_dims=(512, 2304), max_words=16, word_classes=1114))
    keys = shapes["charades_C+SF_C"]
    assert {name: list(value.shape) for name, value in released_state(model).items()} == keys
    named = model.config.model_copy(update={"feature_names": ("clip", "slowfast")})
    assert from_released_state(released_state(model), heads=8)[0].config == named


def test_a_text_tower_in_the_file_is_dropped(shapes: Shapes) -> None:
    keys = {**shapes["tacos_C3D_GloVe"], "text_encoder.emb.weight": [9, 300]}
    model, unused = from_released_state({key: torch.zeros(shape) for key, shape in keys.items()}, heads=8)
    assert not any("text_encoder" in name for name in [*unused, *model.state_dict()])


@pytest.mark.parametrize("damage", ["span_embed", "surprise", "99"])
def test_checkpoints_of_something_else_are_refused(shapes: Shapes, damage: str) -> None:
    state = {key: torch.zeros(shape) for key, shape in shapes["charades_C+SF_C"].items()}
    if damage == "span_embed":
        del state["span_embed.layers.0.weight"]
    elif damage == "surprise":
        state["surprise"] = torch.zeros(1)
    else:
        state["input_vid_proj.0.LayerNorm.weight"] = torch.zeros(99)
    with pytest.raises(WeightsError, match=damage):
        from_released_state(state, heads=8)


class Runs:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/mesm-was-here",)


def test_a_checkpoint_that_runs_code_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}, "opt": argparse.Namespace(x=Runs())}, tmp_path / "evil.ckpt")
    with pytest.raises(WeightsError, match="not safe"):
        import_checkpoint(tmp_path / "evil.ckpt")
