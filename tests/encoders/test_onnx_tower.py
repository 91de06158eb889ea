"""ONNX Runtime computes the image tower as the reference does; it is optional."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
import torch

from coarse_to_fine.encoders import ClipEncoder, load_encoder
from coarse_to_fine.encoders.config import parse_clip_config
from coarse_to_fine.encoders.onnx_tower import compute_with_onnx, onnx_image_tower
from coarse_to_fine.encoders.towers import ClipTowers, initialise
from coarse_to_fine.errors import ConfigError
from tests.encoders.conftest import clip_config
from tests.library.small_encoder import SmallEncoder

there = importlib.util.find_spec("onnxruntime") is not None and importlib.util.find_spec("onnx") is not None
needs_onnx = pytest.mark.skipif(not there, reason="needs onnx and onnxruntime")


def tiny() -> ClipEncoder:
    encoder = load_encoder("tiny-world")
    assert isinstance(encoder, ClipEncoder)
    return encoder


@needs_onnx
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_pytorch_tanh"])
def test_the_graph_computes_the_tower(activation: str) -> None:
    document = json.loads(json.dumps(clip_config(60).to_dict()))
    document["vision_config"]["hidden_act"] = activation
    towers = ClipTowers(parse_clip_config(document, "test")).eval().requires_grad_(False)
    initialise(towers, torch.Generator().manual_seed(3))
    pixels = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    embed = onnx_image_tower(towers)
    torch.testing.assert_close(embed(pixels), towers.embed_images(pixels), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(embed(pixels[:1]), towers.embed_images(pixels[:1]), rtol=1e-4, atol=1e-5)


@needs_onnx
def test_features_are_those_of_the_reference_within_the_rounding_of_storage() -> None:
    reference, encoder = tiny(), tiny()
    compute_with_onnx(encoder)
    assert encoder.fingerprint == reference.fingerprint
    pictures = torch.randint(0, 256, (40, 112, 112, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    exact, found = reference.encode_images(pictures), encoder.encode_images(pictures)
    rounding = (exact.half().float() - exact).abs().max()
    assert float((exact - found).abs().max()) < 0.2 * float(rounding)
    assert encoder.encode_images(pictures[:0]).shape == (0, encoder.embed_dim)


def test_other_towers_and_precisions_are_refused() -> None:
    for encoder in (SmallEncoder(), load_encoder("tiny-world", precision="bf16")):
        with pytest.raises(ConfigError, match="expected a CLIP in fp32 on the CPU"):
            compute_with_onnx(encoder)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'coarse-to-fine\[onnx\]'"):
        compute_with_onnx(tiny())
