"""Our towers compute what transformers' CLIPModel computes, from the same files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from coarse_to_fine.encoders.config import ClipConfig, parse_clip_config
from coarse_to_fine.encoders.towers import ClipTowers, end_positions, initialise
from coarse_to_fine.encoders.weights import build_towers, read_weights, weight_files
from coarse_to_fine.errors import ConfigError, WeightsError
from tests.encoders.conftest import clip_config


def ours(folder: Path) -> ClipTowers:
    config = parse_clip_config(json.loads((folder / "config.json").read_text()), "config.json")
    return build_towers(config, read_weights(weight_files(folder)), str(folder))


@torch.no_grad()
def assert_same_features(towers: ClipTowers, reference) -> None:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(3, 3, 32, 32, generator=generator)
    size = towers.config.text_config.vocab_size
    ids = torch.randint(3, size - 2, (3, 9), generator=generator)
    ids[:, 0] = size - 2
    ids[0, 5:] = ids[1, 8:] = ids[2, 7:] = size - 1  # padded with the end token
    reference.eval()
    text = reference.text_model(input_ids=ids)
    embeddings, states = towers.embed_text(ids)
    torch.testing.assert_close(states, text.last_hidden_state, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(embeddings, reference.text_projection(text.pooler_output), rtol=1e-5, atol=1e-5)
    images = reference.visual_projection(reference.vision_model(pixels).pooler_output)
    torch.testing.assert_close(towers.embed_images(pixels), images, rtol=1e-5, atol=1e-5)


def test_a_folder_of_transformers_gives_the_same_features(hugging_face_folder: Path) -> None:
    from transformers import CLIPModel

    assert_same_features(ours(hugging_face_folder), CLIPModel.from_pretrained(hugging_face_folder))


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu_new", "gelu_pytorch_tanh"])
def test_our_weights_load_into_transformers(tmp_path: Path, activation: str) -> None:
    from transformers import CLIPModel

    document = clip_config(60, hidden_act=activation).to_dict()
    document["vision_config"]["hidden_act"] = activation
    towers = ClipTowers(parse_clip_config(document, "test")).eval()
    initialise(towers, torch.Generator().manual_seed(3))
    save_file(towers.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(towers.config.to_hugging_face()))
    assert_same_features(towers, CLIPModel.from_pretrained(tmp_path))


def test_the_legacy_end_id_pools_the_first_largest_id() -> None:
    ids = torch.tensor([[58, 4, 59, 59, 2], [58, 2, 7, 9, 59]])
    assert end_positions(ids, 2).tolist() == [2, 4]
    assert end_positions(torch.tensor([[58, 4, 50, 59, 50]]), 50).tolist() == [2]


def test_legacy_end_id_agrees_with_transformers(tmp_path: Path) -> None:
    from transformers import CLIPModel

    torch.manual_seed(2)
    reference = CLIPModel(clip_config(60, eos_token_id=2))
    reference.save_pretrained(tmp_path)
    assert_same_features(ours(tmp_path), reference)


def test_position_buffers_are_dropped_and_other_keys_listed(hugging_face_folder: Path) -> None:
    config = parse_clip_config(json.loads((hugging_face_folder / "config.json").read_text()), "config.json")
    weights = load_file(hugging_face_folder / "model.safetensors")
    weights["text_model.embeddings.position_ids"] = torch.arange(32)[None]
    weights["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    build_towers(config, weights, "good")
    weights["visual_projection.bias"] = torch.zeros(24)
    weights["text_projection.weight"] = torch.zeros(24, 31)
    del weights["logit_scale"]
    with pytest.raises(WeightsError) as error:
        build_towers(config, weights, "bad")
    for part in ("missing logit_scale", "unknown visual_projection.bias", "text_projection.weight has shape (24, 31)"):
        assert part in str(error.value)


def test_half_precision_weights_are_computed_in_float32(hugging_face_folder: Path) -> None:
    config = parse_clip_config(json.loads((hugging_face_folder / "config.json").read_text()), "config.json")
    half = {name: value.half() for name, value in load_file(hugging_face_folder / "model.safetensors").items()}
    assert {parameter.dtype for parameter in build_towers(config, half, "half").parameters()} == {torch.float32}


def test_a_configuration_of_another_model_is_refused() -> None:
    with pytest.raises(WeightsError, match="siglip"):
        parse_clip_config({"model_type": "siglip", "text_config": {}, "vision_config": {}}, "config.json")
    with pytest.raises(WeightsError, match="5 heads for width 32"):
        parse_clip_config({"text_config": {"hidden_size": 32, "num_attention_heads": 5}, "vision_config": {}}, "c")
    with pytest.raises(ConfigError, match="patch_size"):
        parse_clip_config({"text_config": {}, "vision_config": {"patch_size": 0}}, "c")


def test_an_unknown_activation_is_refused() -> None:
    config = ClipConfig(text_config={"hidden_act": "swish"})  # type: ignore[arg-type]
    with torch.device("meta"), pytest.raises(WeightsError, match="swish"):
        ClipTowers(config)


def test_initial_weights_follow_from_the_generator() -> None:
    config = parse_clip_config(clip_config(60).to_dict(), "test")
    first, second, other = ClipTowers(config), ClipTowers(config), ClipTowers(config)
    for towers, seed in ((first, 5), (second, 5), (other, 6)):
        initialise(towers, torch.Generator().manual_seed(seed))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.visual_projection.weight, other.visual_projection.weight)
