"""OpenAI's naming and Hugging Face's hold the same numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from coarse_to_fine.encoders.openai_names import BLOCK, TOWERS, TRANSPOSED, WHOLE, has_openai_names, to_hugging_face
from coarse_to_fine.errors import WeightsError


def openai_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's tensors as OpenAI's file has them; written apart from the package's own mapping of names."""
    whole = {theirs: own for own, theirs in WHOLE.items()}
    turned = {theirs: own for own, theirs in TRANSPOSED.items()}
    blocks = {f"{theirs}.encoder.layers.": own for own, theirs in TOWERS.items()}
    parts = {theirs: own for own, theirs in BLOCK.items()}
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in whole or name in turned:
            found[whole.get(name) or turned[name]] = value.T if name in turned else value
            continue
        start, number, part, kind = re.fullmatch(r"(.*layers\.)(\d+)\.(.*)\.(weight|bias)", name).groups()
        block = f"{blocks[start]}{number}."
        if part == "self_attn.q_proj":
            three = [state[f"{start}{number}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            found[f"{block}attn.in_proj_{kind}"] = torch.cat(three)
        elif part in parts:
            found[f"{block}{parts[part]}.{kind}"] = value
    return found


@pytest.fixture(scope="module")
def state(hugging_face_folder: Path) -> dict[str, Tensor]:
    return load_file(hugging_face_folder / "model.safetensors")


def test_renaming_gives_every_tensor_back(state: dict[str, Tensor]):
    theirs = openai_state(state)
    assert has_openai_names(theirs)
    assert not has_openai_names(state)
    assert theirs["visual.proj"].shape == state["visual_projection.weight"].T.shape
    program = {"input_resolution": torch.tensor(224), "context_length": torch.tensor(77), "vocab_size": torch.tensor(9)}
    renamed = to_hugging_face({**theirs, **program}, "clip.pt")
    assert renamed.keys() == state.keys()
    assert all(torch.equal(renamed[name], value) for name, value in state.items())


def test_a_convolutional_tower_is_refused(state: dict[str, Tensor]):
    theirs = {**openai_state(state), "visual.layer1.0.conv1.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"RN50.pt has 1 tensor that .* such as visual.layer1.0.conv1.weight"):
        to_hugging_face(theirs, "RN50.pt")
