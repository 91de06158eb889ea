"""Checkpoint files in exactly the layouts of the releases, with random tensors; T-MASS with narrow towers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coarse_to_fine.encoders.config import ClipConfig
from coarse_to_fine.encoders.towers import ClipTowers
from tests.encoders.conftest import SENTENCES, clip_config, word_pairs
from tests.fine_grained.qd_detr_checkpoints import lighthouse_options, official_options, random_state, write_checkpoint
from tests.parity.cases import suite_folder

NARROW = {512: 32, 2048: 128, 768: 48, 3072: 192}
"""Widths of the released towers -> widths that take no time."""


def recorded(config: pytest.Config, suite: str) -> dict[str, Any]:
    """The recorded names and shapes of a release; skips where they are not at hand."""
    folder = suite_folder(config, suite)
    path = folder / "checkpoint_keys.json" if folder else None
    if path is None or not path.exists():
        pytest.skip("no recorded checkpoint keys")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def t_mass_shapes(config: pytest.Config) -> dict[str, list[int]]:
    """Every name of a released T-MASS (ViT-B/32), buffers included, with narrow towers.

    The committed record has the head alone; the towers beside it are those of ViT-B/32 by their default architecture.
    """
    document = recorded(config, "t_mass")
    full = document["state_dict"]["ViT-B/32"] if "state_dict" in document else {**towers(), **document["head"]}
    return {name: [NARROW.get(size, size) for size in shape] for name, shape in full.items()}


def towers() -> dict[str, list[int]]:
    """Names and shapes of ViT-B/32 as old checkpoints have them."""
    with torch.device("meta"):
        state = ClipTowers(ClipConfig()).state_dict()
    buffers = {"text_model.embeddings.position_ids": [1, 77], "vision_model.embeddings.position_ids": [1, 50]}
    shapes = {**{name: list(value.shape) for name, value in state.items()}, **buffers}
    return {f"clip.{name}": shape for name, shape in shapes.items()}


def t_mass_state(config: pytest.Config) -> dict[str, Tensor]:
    state = random_state(t_mass_shapes(config))
    for name in state:
        if name.endswith("position_ids"):
            state[name] = torch.arange(state[name].shape[-1])[None]
    state["stochastic.std_branch.learnable_scalar"] = torch.tensor([float("nan")])
    return state


def write_t_mass(path: Path, state: dict[str, Tensor]) -> Path:
    optimizer = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-6}]}
    torch.save({"epoch": 2, "state_dict": state, "optimizer": optimizer}, path)
    return path


def write_qd_detr(path: Path, config: pytest.Config, family: str) -> Path:
    """`family` is one of the recorded ones, such as `lighthouse_clip`."""
    options = official_options() if family.startswith("official") else lighthouse_options()
    known = recorded(config, "qd_detr")
    about = known.get(family) or known[family.replace("lighthouse", "official")]  # the same names and widths
    return write_checkpoint(path, random_state(about["keys"]), options)


def write_mesm(path: Path, config: pytest.Config, name: str) -> Path:
    return write_checkpoint(path, random_state(recorded(config, "mesm")["configs"][name]), official_options())


def write_clip(folder: Path, projection_dim: int = 24, text_width: int = 32) -> Path:
    """A CLIP folder as transformers saves one: model, tokenizer and rule for pictures; random weights, few of them."""
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokens, merges = word_pairs(SENTENCES, 200)
    config = clip_config(len(tokens), hidden_size=text_width, hidden_act="gelu")
    config.projection_dim = projection_dim
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPModel(config).save_pretrained(folder)
    CLIPTokenizer(vocab=tokens, merges=merges).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
