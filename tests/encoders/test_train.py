"""Training an encoder writes a folder that loads everywhere; the committed configuration is valid."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from coarse_to_fine.config import load_config
from coarse_to_fine.encoders import load_encoder
from coarse_to_fine.encoders.pretraining.export import export_encoder
from coarse_to_fine.encoders.towers import ClipTowers
from coarse_to_fine.encoders.train import (
    EncoderTrainingConfig,
    train_encoder,
    world_tokenizer,
)
from coarse_to_fine.training import RunConfig

CONFIGS = Path(__file__).parents[2] / "configs" / "encoder"


@pytest.fixture(scope="module")
def small() -> EncoderTrainingConfig:
    return EncoderTrainingConfig.model_validate(
        {
            "vocabulary_size": 700,
            "image_size": 32,
            "vision_width": 64,
            "vision_layers": 1,
            "text_width": 32,
            "text_layers": 1,
            "embed_dim": 16,
            "vocabulary_scenes": 30,
            "scenes": 8,
            "tiled_scenes": 8,
            "frames": 2,
            "validation_scenes": 6,
            "patches_first": {"epochs": 1, "max_steps": 1, "batch_size": 4, "device": "cpu"},
            "run": {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "clip_norm": 1.0, "device": "cpu"},
        }
    )


def test_every_committed_configuration_is_valid() -> None:
    paths = sorted(CONFIGS.glob("*.yaml"))
    assert paths
    for path in paths:
        load_config(EncoderTrainingConfig, path)


def test_batches_of_one_frame_with_nothing_to_tell_it_from_are_refused() -> None:
    alone = {"frames": 1, "distractors": 0, "run": {"batch_size": 1}}
    with pytest.raises(ValueError, match=r"batches of one frame .*; expected two frames or a distractor; set run"):
        EncoderTrainingConfig.model_validate(alone)
    with pytest.raises(ValueError, match="batches of one frame"):
        EncoderTrainingConfig.model_validate({**alone, "scenes": 1, "run": {"batch_size": 8}})
    for other in ({"frames": 2}, {"distractors": 1}, {"run": {"batch_size": 2}}):
        EncoderTrainingConfig.model_validate({**alone, **other})


def test_a_trained_encoder_loads_here_and_in_transformers(small: EncoderTrainingConfig, tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    result = train_encoder(small, tmp_path)
    assert result.steps == 4
    assert {"r1_of_32", "action", "colour", "kind", "place", "side"} <= result.best_metrics.keys()
    encoder = load_encoder(tmp_path / "encoder")
    assert "drawn world" in str(encoder.warning)
    picture = torch.randint(0, 256, (60, 80, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = CLIPModel.from_pretrained(tmp_path / "encoder", dtype=torch.float32).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(tmp_path / "encoder")(images=picture.numpy(), return_tensors="pt")
    ids = CLIPTokenizer.from_pretrained(tmp_path / "encoder")("The red cat jumps.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        images = model.visual_projection(model.vision_model(pixels["pixel_values"].float()).pooler_output)
        texts = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    torch.testing.assert_close(encoder.encode_images(encoder.prepare(picture)[None]), images, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoder.encode_text(["The red cat jumps."])[0].embedding, texts[0], rtol=1e-5, atol=1e-5)


def test_another_encoder_takes_the_place_of_one_or_leaves_no_config(
    small: EncoderTrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = world_tokenizer(small)
    first, second = (ClipTowers(small.clip(tokenizer.get_vocab_size())) for _ in range(2))
    export_encoder(tmp_path, small, first, tokenizer)
    before = load_encoder(tmp_path).fingerprint
    export_encoder(tmp_path, small, second, tokenizer)
    assert load_encoder(tmp_path).fingerprint != before

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        export_encoder(tmp_path, small, first, tokenizer)
    assert not (tmp_path / "config.json").exists()


@pytest.mark.slow
def test_training_does_not_depend_on_workers(small: EncoderTrainingConfig, tmp_path: Path) -> None:
    with_worker = small.model_copy(update={"run": small.run.model_copy(update={"workers": 1, "epochs": 1})})
    without = small.model_copy(update={"run": small.run.model_copy(update={"epochs": 1})})
    first, second = train_encoder(with_worker, tmp_path / "a"), train_encoder(without, tmp_path / "b")
    assert first.best_metrics == second.best_metrics


@pytest.mark.parametrize("first", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_step_in_parts_learns_what_a_whole_step_learns(
    small: EncoderTrainingConfig, tmp_path: Path, first: bool
) -> None:
    """The captions of a part are compared with the frames of all parts, and sums are divided by the step's counts."""
    found = []
    for parts in (1, 2):
        settings = {"epochs": 1, "max_steps": 1, "batch_size": 6, "accumulate": parts, "device": "cpu"}
        settings |= {"learning_rate": 1.0, "epsilon": 1.0}  # a step of Adam is then all but the gradient
        run = RunConfig.model_validate(settings)
        changes = {"draw_processes": 1, "patches_first": run if first else None, "run": run}
        train_encoder(small.model_copy(update=changes), tmp_path / str(parts))
        found.append(load_file(tmp_path / str(parts) / ("patches" if first else "") / "best.safetensors"))
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, rtol=0, atol=2e-5, msg=name)
