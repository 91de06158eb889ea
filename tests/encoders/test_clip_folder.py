"""Bare weights become an encoder folder that computes what the original computes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coarse_to_fine.encoders import load_encoder
from coarse_to_fine.encoders.clip_folder import architecture_of, config_beside, write_clip_folder
from coarse_to_fine.encoders.tokenizer import OPENAI_FILES, load_tokenizer
from coarse_to_fine.errors import WeightsError


def test_shapes_tell_the_architecture(hugging_face_folder: Path):
    state = load_file(hugging_face_folder / "model.safetensors")
    stated = config_beside(hugging_face_folder)
    found = architecture_of(state, text_heads=4, vision_heads=4, hidden_act="gelu")
    assert found.vision_config == stated.vision_config
    assert found.projection_dim == stated.projection_dim
    text = stated.text_config.model_copy(update={"hidden_act": "gelu"})
    assert found.text_config == text
    assert architecture_of(state).text_config.num_attention_heads == 1


def test_the_written_folder_computes_the_same(hugging_face_folder: Path, tmp_path: Path):
    state = load_file(hugging_face_folder / "model.safetensors")
    config = config_beside(hugging_face_folder)
    write_clip_folder(tmp_path / "clip", state, config, hugging_face_folder, "weights")
    expected, found = load_encoder(hugging_face_folder), load_encoder(tmp_path / "clip")
    pictures = torch.randint(0, 256, (3, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(found.encode_images(pictures), expected.encode_images(pictures))
    assert torch.equal(
        found.encode_text(["a red ball"])[0].embedding, expected.encode_text(["a red ball"])[0].embedding
    )


def test_a_folder_that_was_left_halfway_has_no_config(
    hugging_face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    state, config = load_file(hugging_face_folder / "model.safetensors"), config_beside(hugging_face_folder)
    write_clip_folder(tmp_path, state, config, hugging_face_folder, "weights")
    assert (tmp_path / "config.json").exists()

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_clip_folder(tmp_path, state, config, hugging_face_folder, "weights")
    assert not (tmp_path / "config.json").exists()


def test_the_folder_is_one_that_transformers_reads(hugging_face_folder: Path, tmp_path: Path):
    from transformers import CLIPModel

    state = load_file(hugging_face_folder / "model.safetensors")
    write_clip_folder(tmp_path, state, config_beside(hugging_face_folder), hugging_face_folder, "weights")
    loaded = CLIPModel.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_model_with_another_vocabulary_needs_its_tokenizer(hugging_face_folder: Path, tmp_path: Path):
    state = load_file(hugging_face_folder / "model.safetensors")
    config = config_beside(hugging_face_folder)
    with pytest.raises(WeightsError, match=r"expected 49408 .* --tokenizer"):
        write_clip_folder(tmp_path / "a", state, config, None, "weights")
    with pytest.raises(WeightsError, match=r"no tokenizer at .*nowhere"):
        write_clip_folder(tmp_path / "b", state, config, tmp_path / "nowhere", "weights")
    assert not (tmp_path / "a" / "config.json").exists()


def test_the_rule_for_pictures_follows_the_size_where_none_is_given(hugging_face_folder: Path, tmp_path: Path):
    state = load_file(hugging_face_folder / "model.safetensors")
    shutil.copyfile(hugging_face_folder / "tokenizer.json", tmp_path / "tokenizer.json")
    write_clip_folder(
        tmp_path / "clip", state, config_beside(hugging_face_folder), tmp_path / "tokenizer.json", "weights"
    )
    rule = json.loads((tmp_path / "clip" / "preprocessor_config.json").read_text())
    assert rule["crop_size"] == {"height": 32, "width": 32}
    assert load_encoder(tmp_path / "clip").image_size == 32


def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_written(hugging_face_folder: Path, tmp_path: Path):
    state = load_file(hugging_face_folder / "model.safetensors")
    state["surprise"] = state.pop("text_model.final_layer_norm.bias")
    with pytest.raises(WeightsError, match=r"missing text_model.final_layer_norm.bias; unknown surprise"):
        write_clip_folder(
            tmp_path / "clip", state, config_beside(hugging_face_folder), hugging_face_folder, "weights.bin"
        )
    assert not (tmp_path / "clip").exists()


def test_the_vocabulary_in_the_package_is_openais(tmp_path: Path):
    from importlib import resources

    source = Path(str(resources.files("coarse_to_fine") / "bundled" / "clip-vocabulary" / OPENAI_FILES[1]))
    shutil.copyfile(source, tmp_path / OPENAI_FILES[1])
    tokenizer = load_tokenizer(tmp_path, 77)
    assert tokenizer.vocabulary_size == 49408
    ids = tokenizer.tokenize(["a diagram"])[0].ids
    assert ids == (49406, 320, 22697, 49407)
