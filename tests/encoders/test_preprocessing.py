"""Prepared pictures equal those of the tower's own processor, per pixel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from coarse_to_fine.encoders.preprocessing import load_preprocessing, parse_preprocessing
from coarse_to_fine.errors import WeightsError

SIZES = [(240, 320), (321, 181), (50, 300), (224, 224), (37, 41)]


def picture(height: int, width: int) -> Tensor:
    generator = np.random.default_rng(height * 1000 + width)
    return torch.from_numpy(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": {"height": 112, "width": 112}, "crop_size": {"height": 112, "width": 112}, "do_center_crop": False},
        {"size": {"shortest_edge": 63}, "crop_size": {"height": 63, "width": 63}, "resample": 2},
        {"size": {"shortest_edge": 40}, "crop_size": {"height": 51, "width": 51}},
        {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
    ],
    ids=["clip", "squash", "bilinear", "padded", "other-mean"],
)
def test_equal_to_the_processor_of_transformers(tmp_path: Path, size: tuple[int, int], options: dict) -> None:
    processor = CLIPImageProcessorPil(**options)
    processor.save_pretrained(tmp_path)
    rules = load_preprocessing(tmp_path)
    prepared = rules.prepare(picture(*size))
    raw = CLIPImageProcessorPil(**{**options, "do_normalize": False, "do_rescale": False})(
        images=picture(*size).numpy(), return_tensors="pt"
    )["pixel_values"][0]
    assert torch.equal(prepared.permute(2, 0, 1).to(raw.dtype), raw)
    expected = processor(images=picture(*size).numpy(), return_tensors="pt")["pixel_values"].to(torch.float32)
    torch.testing.assert_close(rules.normalise(prepared[None]), expected, rtol=0, atol=2e-6)


def test_old_files_with_plain_numbers() -> None:
    rules = parse_preprocessing({"size": 224, "crop_size": 224, "resample": 3}, "old")
    assert rules == parse_preprocessing(
        {"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}, "new"
    )


def test_the_joint_processor_file_is_read(tmp_path: Path) -> None:
    content = {"image_processor": {"size": {"shortest_edge": 99}, "crop_size": {"height": 99, "width": 99}}}
    (tmp_path / "processor_config.json").write_text(json.dumps(content))
    assert load_preprocessing(tmp_path).crop == (99, 99)


def test_missing_or_strange_rules_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json"):
        load_preprocessing(tmp_path)
    with pytest.raises(WeightsError, match="not understood"):
        parse_preprocessing({"size": {"longest_edge": 3}}, "strange")
