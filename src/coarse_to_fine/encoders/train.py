"""Training of the small CLIP that knows the drawn world, from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from coarse_to_fine.devices import resolve_device
from coarse_to_fine.encoders.pretraining.config import EncoderTrainingConfig
from coarse_to_fine.encoders.pretraining.drawn_ahead import draw_ahead
from coarse_to_fine.encoders.pretraining.export import export_encoder
from coarse_to_fine.encoders.pretraining.patches_first import PatchTask
from coarse_to_fine.encoders.pretraining.samples import WorldFrames
from coarse_to_fine.encoders.pretraining.task import EncoderTask
from coarse_to_fine.encoders.pretraining.vocabulary import train_tokenizer, world_sentences
from coarse_to_fine.training import FitResult, RunConfig, TrainingData, fit

__all__ = ["EncoderTrainingConfig", "train_encoder", "world_tokenizer"]


def train_encoder(config: EncoderTrainingConfig, out: Path, progress: bool = False) -> FitResult:
    """Train an encoder, or go on with the run in `out`, and write it in the Hugging Face layout.

    Args:
        config: what and how.
        out: folder of the run; the encoder is written to `out/encoder`.
        progress: show a bar with the time left on stderr.

    Raises:
        ConfigError: a device that is not here.
        TrainingError: a loss is not finite, or `out` holds another run.
    """
    for run in (config.patches_first, config.run):
        if run is not None:
            resolve_device(run.device)
    tokenizer = world_tokenizer(config)
    task = EncoderTask(config, tokenizer)
    settings = {"encoder": config.model_dump(mode="json", exclude={"run", "patches_first"})}
    if config.start_from is not None:
        task.model.load_state_dict(_model_weights(config.start_from), strict=False)
    if config.patches_first is not None:
        _learn_patches(task, config, config.patches_first, out / "patches", progress)
    task.data = _drawn(task.source, config, out / "drawn", config.run.seed, progress)
    result = fit(task, config.run, out, settings, progress)
    if result.first_process:
        export_encoder(out / "encoder", config, task.model.towers, tokenizer)
    return result


def _learn_patches(task: EncoderTask, config: EncoderTrainingConfig, run: RunConfig, out: Path, progress: bool) -> None:
    """The first part of the training; what it learned starts the blocks that collect."""
    task.model.requires_grad_(True)
    source = task.frames(config.tiled_scenes, frames=1, captions=1, distractors=0, tiled=True)
    data = _drawn(source, config, out / "drawn", run.seed, progress)
    tower = task.model.towers.vision_model
    first = PatchTask(tower, task.model.probes, data, config.preprocessing, task.trunk)
    fit(first, run, out, {"encoder": _architecture(config)}, progress)
    task.start_collecting()
    task.choose_trained()


def _drawn(source: WorldFrames, config: EncoderTrainingConfig, folder: Path, seed: int, progress: bool) -> TrainingData:
    if config.draw_processes == 0:
        return source
    return draw_ahead(source, folder, seed, config.draw_processes, progress)


def _architecture(config: EncoderTrainingConfig) -> dict[str, Any]:
    """The settings that the first run depends on."""
    later = {
        "scenes",
        "draw_processes",
        "label_weight",
        "attention_weight",
        "frozen_blocks",
        "run",
        "start_from",
        "distractors",
        "patches_first",
        "frames",
        "captions",
        "crowd_share",
        "question_weight",
        "patch_weight",
        "validation_scenes",
    }
    return config.model_dump(mode="json", exclude=later)


def world_tokenizer(config: EncoderTrainingConfig) -> Tokenizer:
    """The tokenizer of a run: its vocabulary follows from the world's sentences and the seed."""
    return train_tokenizer(world_sentences(config.vocabulary_scenes, config.vocabulary_seed), config.vocabulary_size)


def _model_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The model's part of `last.safetensors`, or all of `best.safetensors`."""
    weights = load_file(checkpoint)
    whole = {name.removeprefix("model/"): value for name, value in weights.items() if name.startswith("model/")}
    return whole or weights
