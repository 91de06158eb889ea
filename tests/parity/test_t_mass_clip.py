"""Our towers give the text and frame embeddings of the T-MASS release, from a checkpoint with its key names."""

from __future__ import annotations

import pytest
import torch

from coarse_to_fine.encoders.config import ClipConfig, TextConfig, VisionConfig
from coarse_to_fine.encoders.weights import build_towers
from tests.parity.cases import Case


def clip_config(case: Case) -> ClipConfig:
    text, vision = case.config["text"], case.config["vision"]
    shared = {"hidden_act": case.config["act"], "layer_norm_eps": case.config["ln_eps"]}
    return ClipConfig(
        text_config=TextConfig(
            hidden_size=text["width"],
            intermediate_size=text["mlp"],
            num_hidden_layers=text["layers"],
            num_attention_heads=text["heads"],
            vocab_size=text["vocab"],
            max_position_embeddings=text["max_len"],
            eos_token_id=text["eos"],
            **shared,
        ),
        vision_config=VisionConfig(
            hidden_size=vision["width"],
            intermediate_size=vision["mlp"],
            num_hidden_layers=vision["layers"],
            num_attention_heads=vision["heads"],
            image_size=vision["image"],
            patch_size=vision["patch"],
            **shared,
        ),
        projection_dim=case.config["projection_dim"],
    )


@pytest.mark.parity("t_mass", "clip_end_to_end")
def test_tower_embeddings(case: Case) -> None:
    towers = build_towers(clip_config(case), case.group("state.clip"), case.name)
    with torch.no_grad():
        text, _ = towers.embed_text(case.tensors["in.input_ids"])
        frames = towers.embed_images(case.tensors["in.pixels"].flatten(0, 1)).unflatten(
            0, case.tensors["in.pixels"].shape[:2]
        )
    case.assert_close(text, case.tensors["out.text"], "text")
    case.assert_close(frames, case.tensors["out.frames"], "frames")
