"""Towers of OpenCLIP from folders in its own layout, with small random weights; most need the extra `towers`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.encoders import ImageTextEncoder, load_encoder
from coarse_to_fine.errors import WeightsError
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from tests.library.small_videos import write_video

needs_open_clip = pytest.mark.skipif(importlib.util.find_spec("open_clip") is None, reason="needs open_clip")
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VISION = {"image_size": 32, "layers": 2, "width": 48, "patch_size": 8, "head_width": 24}
PE_CORE = {"image_size": 384, "timm_model_name": "vit_pe_core_tiny_patch16_384", "timm_pool": "map", "timm_proj": None}
"""The image tower of PE-Core-T-16-384 as it is; computed by timm."""

RULE = {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.4, 0.3], "interpolation": "bicubic"}


def write_folder(folder: Path, resize_mode: str, custom_text: bool, vision: dict[str, Any] = VISION) -> Path:
    """As `push_to_hf_hub` writes it: configuration of model and preprocessing, and weights."""
    from open_clip import CLIP, CustomTextCLIP

    torch.manual_seed(0)
    model: Any = (CustomTextCLIP if custom_text else CLIP)(embed_dim=24, vision_cfg=vision, text_cfg=TEXT)
    model_cfg = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": TEXT, "custom_text": custom_text}
    document = {"model_cfg": model_cfg, "preprocess_cfg": {**RULE, "resize_mode": resize_mode}}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


KINDS = {
    "squash": ("squash", True, VISION),
    "shortest": ("shortest", False, VISION),
    "pe-core": ("squash", True, PE_CORE),
}


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("open_clip") / "model", *KINDS[request.param])


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ImageTextEncoder:
    return load_encoder(folder)


@needs_open_clip
def test_features_equal_those_of_its_own_transform_and_model(folder: Path, encoder: ImageTextEncoder) -> None:
    from open_clip import create_model_from_pretrained, get_tokenizer
    from PIL import Image

    model, transform = create_model_from_pretrained(f"local-dir:{folder}")
    model.eval()
    picture = torch.randint(0, 256, (51, 70, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.no_grad():
        expected = model.encode_image(transform(Image.fromarray(picture.numpy()))[None])
        found = encoder.encode_images(encoder.prepare(picture)[None])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        ids = get_tokenizer(f"local-dir:{folder}")(["a red ball"])
        (text,) = encoder.encode_text(["a red ball"])
        torch.testing.assert_close(text.embedding, model.encode_text(ids)[0], rtol=1e-5, atol=1e-5)
    assert text.tokens.shape == (5, 32)
    side = model.visual.image_size[0]
    assert (encoder.embed_dim, encoder.token_dim, encoder.image_size) == (24, 32, side)
    assert encoder.encode_images(torch.zeros(0, side, side, 3, dtype=torch.uint8)).shape == (0, 24)


@needs_open_clip
def test_long_sentences_are_cut_at_a_word(encoder: ImageTextEncoder) -> None:
    short, long = encoder.encode_text(["a red ball", "a red ball and " * 9])
    assert (short.truncated, long.truncated) == (False, True)
    assert long.text == "a red ball and a red ball and a red ball and a red"
    assert len(long.tokens) == 16


@needs_open_clip
def test_a_library_is_made_and_searched_with_it(folder: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "one.mp4", 4.0)
    with Library.create(tmp_path / "library.ctf", encoder=str(folder)) as library:
        assert library.add([tmp_path / "one.mp4"], workers=1).failed == ()
        hits = Pipeline(library, load_coarse("mean-pool"), load_fine("similarity")).search("a red ball")
    assert hits[0].video_id == "one"
    assert 0 <= hits[0].start_s < hits[0].end_s <= 4.0


@needs_open_clip
def test_the_fingerprint_follows_weights_and_rule(folder: Path, encoder: ImageTextEncoder, tmp_path: Path) -> None:
    assert load_encoder(folder).fingerprint == encoder.fingerprint
    assert load_encoder(folder, precision="bf16").fingerprint != encoder.fingerprint
    other = write_folder(tmp_path / "other", "longest", False)
    assert load_encoder(other).fingerprint != encoder.fingerprint


@needs_open_clip
def test_other_weights_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wrong", "squash", False)
    save_file({"logit_scale": torch.zeros(())}, folder / "open_clip_model.safetensors")
    with pytest.raises(WeightsError, match="open_clip cannot read this model") as error:
        load_encoder(folder)
    assert "\n" not in str(error.value)


def test_a_torchvision_that_does_not_fit_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, packages = tmp_path / "model", tmp_path / "packages"
    folder.mkdir()
    packages.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    save_file({"logit_scale": torch.zeros(())}, folder / "open_clip_model.safetensors")
    (packages / "open_clip.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    with pytest.raises(WeightsError, match=r"torchvision::nms does not exist.* a torchvision made for this torch"):
        load_encoder(folder)


def test_without_open_clip_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    with pytest.raises(WeightsError, match=r"no weights; expected open_clip_model\.safetensors or"):
        load_encoder(tmp_path)
    save_file({"logit_scale": torch.zeros(())}, tmp_path / "open_clip_model.safetensors")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(WeightsError, match=r"needs open_clip .*pip install 'coarse-to-fine\[towers\]'"):
        load_encoder(tmp_path)
