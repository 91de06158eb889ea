"""Released checkpoints are split into encoder and head, strictly, and nothing in a pickle is run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass.weights import DROPPED, export_release, import_release
from coarse_to_fine.errors import WeightsError
from tests.coarse_grained.models import features, small_model

BUFFERS = {
    "clip.text_model.embeddings.position_ids": torch.arange(77)[None],
    "clip.vision_model.embeddings.position_ids": torch.arange(50)[None],
}


def checkpoint(tmp_path: Path, changes: dict[str, torch.Tensor | None], wrapped: bool = True) -> Path:
    """A file as the release writes it, with a small head and a stub of an encoder."""
    model = small_model("t-mass")
    assert isinstance(model, TMass)
    state = export_release(model, {"text_model.final_layer_norm.weight": torch.ones(4)})
    state["stochastic.std_branch.learnable_scalar"] = torch.tensor([float("nan")])
    state = {name: value for name, value in {**state, **changes}.items() if value is not None}
    path = tmp_path / "model_best.pth"
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {}}} if wrapped else state, path)
    return path


@pytest.mark.parametrize("buffers", [{}, BUFFERS], ids=["without-buffers", "with-buffers"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["checkpoint", "state-dict"])
def test_both_layouts_load_with_and_without_buffers(tmp_path: Path, buffers: dict, wrapped: bool):
    released = import_release(checkpoint(tmp_path, buffers, wrapped), trials=5, prior_std=0.5)
    text, frames = features(3, 4)
    expected = small_model("t-mass").score(text, frames)
    torch.testing.assert_close(released.head.score(text, frames), expected, rtol=0, atol=0)
    assert "text_model.final_layer_norm.weight" in released.encoder
    assert not any("position_ids" in name for name in released.encoder)


def test_other_names_are_an_error_that_lists_them(tmp_path: Path):
    path = checkpoint(tmp_path, {"pool_frames.extra.weight": torch.ones(1), "pool_frames.linear_proj.bias": None})
    with pytest.raises(WeightsError, match=r"missing pool_frames.linear_proj.bias; unknown pool_frames.extra.weight"):
        import_release(path)


def test_a_misshaped_tensor_is_named(tmp_path: Path):
    path = checkpoint(tmp_path, {"pool_frames.linear_proj.bias": torch.ones(5)})
    with pytest.raises(WeightsError, match=r"pool_frames.linear_proj.bias has shape \(5,\) instead of \(32,\)"):
        import_release(path)


class Bomb:
    """Creates a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_pickle_with_a_side_effect_is_refused_and_does_nothing(tmp_path: Path):
    target = tmp_path / "side_effect"
    path = tmp_path / "model_best.pth"
    torch.save({"state_dict": {}, "config": Bomb(target)}, path)
    with pytest.raises(WeightsError, match="not safe to read"):
        import_release(path)
    path.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(WeightsError):
        import_release(path)
    assert not target.exists()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path):
    with pytest.raises(WeightsError, match="no file"):
        import_release(tmp_path / "absent.pth")
    path = tmp_path / "text.pth"
    path.write_text("hello")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        import_release(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(WeightsError, match="holds no tensors"):
        import_release(path)


def test_exported_names_are_those_of_the_release():
    keys = Path(__file__).parents[1] / "parity" / "data" / "t_mass" / "checkpoint_keys.json"
    released = json.loads(keys.read_text())["head"]
    exported = export_release(small_model("t-mass"), {})  # type: ignore[arg-type]
    assert set(exported) == set(released) | {"clip.logit_scale"}
    assert float(exported["stochastic.std_branch.learnable_scalar"]) == 0
    assert all(reason for reason in DROPPED.values())
