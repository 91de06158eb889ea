"""Training of the small CLIP that knows the drawn world, from nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from coarse_to_fine.atomic_files import replacing, write_text_atomically
from coarse_to_fine.data_generation.world.vocabulary import KINDS
from coarse_to_fine.encoders.check_values import CHECK_FILE, write_check_values
from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.config import ClipConfig, TextConfig, VisionConfig
from coarse_to_fine.encoders.load import load_encoder
from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.pretraining.aggregator import start_collecting
from coarse_to_fine.encoders.pretraining.drawn_ahead import draw_ahead
from coarse_to_fine.encoders.pretraining.local_start import start_locally
from coarse_to_fine.encoders.pretraining.objectives import (
    Probes,
    attention_misses,
    contrastive_loss,
    label_loss,
    pair_truth,
    patch_loss,
    question_loss,
)
from coarse_to_fine.encoders.pretraining.patches_first import PatchTask
from coarse_to_fine.encoders.pretraining.samples import SceneSamples, WorldFrames
from coarse_to_fine.encoders.pretraining.validation import MEASURES, ValidationSet, validation_set
from coarse_to_fine.encoders.pretraining.vocabulary import train_tokenizer, world_sentences
from coarse_to_fine.encoders.tokenizer import ClipTokenizer
from coarse_to_fine.encoders.towers import Block, ClipTowers, initialise
from coarse_to_fine.training import Batch, ContrastiveTask, FitResult, Losses, RunConfig, TrainingData, fit

KNOWN = ("truth", "asked", "present", "poses", "patches", "patch_poses", "picture_labels", "text_labels")
"""What is known of the pictures and sentences of a batch; see `SceneSamples`."""

MAX_LOGIT_SCALE = 4.6052
STATISTICS_PICTURES = 300
SCOPE_WARNING = (
    "the encoder tiny-world knows only the drawn world of this package; on camera footage its ranking means little, "
    "index with a CLIP model such as clip-vit-b-32 for that"
)


class EncoderTrainingConfig(BaseModel):
    """Architecture, data and run of a small CLIP for the drawn world."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary_size: int = Field(default=1100, ge=600, description="tokens, 512 of them for single bytes")
    vocabulary_seed: int = Field(default=0, ge=0, description="seed of those sentences")
    vocabulary_scenes: int = Field(default=2000, ge=1, description="scenes whose sentences the tokenizer is made from")
    context: int = Field(default=32, ge=8, description="most tokens of a sentence, start and end token included")
    image_size: int = Field(default=112, ge=32, description="side of the square picture, pixels")
    patch_size: int = Field(default=16, ge=4, description="side of a patch, pixels")
    vision_width: int = Field(default=160, ge=32, description="width of the image tower; heads are 32 wide")
    vision_layers: int = Field(default=7, ge=1, description="blocks of the image tower")
    collecting_blocks: int = Field(
        default=1,
        ge=0,
        description="last blocks of the image tower whose class token collects; patches are asked before",
    )
    local_blocks: int = Field(default=4, ge=0, description="blocks of the image tower whose heads begin on neighbours")
    text_width: int = Field(default=128, ge=32, description="width of the text tower; heads are 32 wide")
    text_layers: int = Field(default=3, ge=1, description="blocks of the text tower")
    embed_dim: int = Field(default=128, ge=16, description="width of the shared space")
    scenes: int = Field(default=40000, ge=1, description="scenes of an epoch, from the training split")
    tiled_scenes: int = Field(default=40000, ge=1, description="scenes of an epoch of `patches_first`")
    draw_processes: int = Field(
        default=0, ge=0, description="processes that draw all samples before training; 0: drawn anew when asked for"
    )
    frames: int = Field(default=4, ge=1, description="frames of a scene in a batch")
    captions: int = Field(default=2, ge=1, description="captions of a frame")
    distractors: int = Field(default=2, ge=0, description="false sentences of a frame")
    crowd_share: float = Field(default=0.4, ge=0, le=1, description="share of scenes shown as arrangements of a crowd")
    validation_scenes: int = Field(default=100, ge=1, description="scenes of the validation split")
    question_weight: float = Field(default=1.0, ge=0, description="weight of the questions about objects")
    label_weight: float = Field(default=1.0, ge=0, description="weight of the labels read from both embeddings")
    patch_weight: float = Field(default=0.3, ge=0, description="weight of the questions about patches")
    patches_first: RunConfig | None = Field(
        default=None, description="run in which the image tower alone learns what covers its patches; none: no such run"
    )
    attention_weight: float = Field(default=0.2, ge=0, description="weight of the class token's look at objects")
    frozen_blocks: int = Field(
        default=0, ge=0, description="first blocks of the image tower that `run` leaves alone, patch filters included"
    )
    start_from: Path | None = Field(
        default=None, description="checkpoint of another run (last.safetensors) whose weights are the start"
    )
    run: RunConfig = Field(
        default_factory=RunConfig, description="optimiser, schedule, length, seed; samples are scenes"
    )

    def clip(self, vocabulary_size: int) -> ClipConfig:
        """The architecture for as many tokens as the tokenizer found."""
        return ClipConfig(
            text_config=TextConfig(
                hidden_size=self.text_width,
                intermediate_size=4 * self.text_width,
                num_hidden_layers=self.text_layers,
                num_attention_heads=self.text_width // 32,
                hidden_act="gelu",
                vocab_size=vocabulary_size,
                max_position_embeddings=self.context,
                eos_token_id=vocabulary_size - 1,
            ),
            vision_config=VisionConfig(
                hidden_size=self.vision_width,
                intermediate_size=4 * self.vision_width,
                num_hidden_layers=self.vision_layers,
                num_attention_heads=self.vision_width // 32,
                hidden_act="gelu",
                image_size=self.image_size,
                patch_size=self.patch_size,
            ),
            projection_dim=self.embed_dim,
            scope_warning=SCOPE_WARNING,
        )

    @property
    def preprocessing(self) -> Preprocessing:
        """The whole picture, squashed to a square: nothing at the sides is lost."""
        return Preprocessing(resize=(self.image_size, self.image_size), crop=None)


def train_encoder(config: EncoderTrainingConfig, out: Path, progress: bool = False) -> FitResult:
    """Train an encoder, or go on with the run in `out`, and write it in the Hugging Face layout.

    Args:
        config: what and how.
        out: folder of the run; the encoder is written to `out/encoder`.
        progress: show a bar with the time left on stderr.

    Raises:
        TrainingError: a loss is not finite, or `out` holds another run.
    """
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
    }
    return config.model_dump(mode="json", exclude={*later, "validation_scenes"})


def world_tokenizer(config: EncoderTrainingConfig) -> Tokenizer:
    """The tokenizer of a run: its vocabulary follows from the world's sentences and the seed."""
    return train_tokenizer(world_sentences(config.vocabulary_scenes, config.vocabulary_seed), config.vocabulary_size)


class EncoderModel(nn.Module):
    """The towers, and the heads that are thrown away."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.towers = ClipTowers(config)
        self.probes = Probes(config.projection_dim, config.vision_config.hidden_size)


class EncoderTask(ContrastiveTask):
    """Captions against frames, questions about objects and about patches."""

    model: EncoderModel
    metric_names = MEASURES

    def __init__(self, config: EncoderTrainingConfig, tokenizer: Tokenizer) -> None:
        self._config = config
        self._tokenizer = tokenizer
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.run.seed)  # nn.Linear of the heads draws from the global generator
            self.model = EncoderModel(config.clip(tokenizer.get_vocab_size()))
        initialise(self.model.towers, torch.Generator().manual_seed(config.run.seed))
        self.source = self.frames(config.scenes, config.frames, config.captions, config.distractors)
        self.data: TrainingData = self.source
        self.trunk = config.vision_layers - config.collecting_blocks  # blocks before those that collect
        start_locally(self.model.towers.vision_model, self._some_pixels(), config.local_blocks)
        self._validation: ValidationSet | None = None
        self.choose_trained()

    def frames(self, scenes: int, frames: int, captions: int, distractors: int, tiled: bool = False) -> WorldFrames:
        """Training samples."""
        config = self._config
        return WorldFrames(
            scenes=scenes,
            frames=frames,
            captions=captions,
            tokenizer_json=self._tokenizer.to_str(),
            context=config.context,
            preprocessing=config.preprocessing,
            patch_grid=config.image_size // config.patch_size,
            distractors=distractors,
            crowd_share=config.crowd_share,
            tiled=tiled,
        )

    def start_collecting(self) -> None:
        """Let the last blocks begin with what the heads for patches know."""
        tower = self.model.towers.vision_model
        with torch.no_grad():
            states = tower.states(self._some_pixels(), self.trunk)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._config.run.seed)
            for block in tower.encoder.layers[self.trunk :]:
                assert isinstance(block, Block)
                start_collecting(block, self.model.probes, states)

    def _some_pixels(self) -> Tensor:
        generator = torch.Generator().manual_seed(self._config.run.seed)
        return self._config.preprocessing.normalise(self.source.some_pictures(STATISTICS_PICTURES, generator))

    def encode(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """What both towers make of the scenes, and what is known of them."""
        samples: SceneSamples = batch.data
        towers = self.model.towers
        shape = samples.pictures.shape[:2]
        pixels = self._config.preprocessing.normalise(samples.pictures.flatten(0, 1))
        with sdpa_kernel(SDPBackend.MATH):  # the fused backward pass on CPUs takes twice as long at these sizes
            states = towers.vision_model.states(pixels, self.trunk)
            pooled, missed, looked = self._collect(states, samples.patches.flatten(0, 1)[..., 0] != len(KINDS))
            images = towers.visual_projection(towers.vision_model.post_layernorm(pooled))  # (N F, D)
            texts = self._texts(samples.ids.flatten(0, 2))
        made = {"images": images, "states": states[:, 1:], "missed": missed, "looked": looked}
        rows = {name: tensor.float().reshape(*shape, *tensor.shape[1:]) for name, tensor in made.items()}
        rows["texts"] = texts.reshape(*samples.ids.shape[:3], -1)
        rows["ids"] = functional.pad(
            samples.ids, (0, self._config.context - samples.ids.shape[-1]), value=towers.config.text_config.eos_token_id
        )
        return rows | {name: getattr(samples, name) for name in KNOWN}

    def contrast(self, rows: dict[str, Tensor], generator: torch.Generator) -> Losses:
        """All losses; cosines need more digits than bfloat16 has."""
        with torch.autocast(rows["images"].device.type, enabled=False):
            terms = self._terms(rows)
        weights = self._config
        total = terms["contrast"] + weights.question_weight * (terms["present"] + terms["pose"])
        total = total + weights.patch_weight * terms["patches"] + weights.attention_weight * terms["attention"]
        return Losses(total + weights.label_weight * (terms["seen"] + terms["told"]), terms)

    def _terms(self, rows: dict[str, Tensor]) -> dict[str, Tensor]:
        probes = self.model.probes
        flat = {name: tensor.flatten(0, 1) for name, tensor in rows.items()}
        images, texts = flat["images"], rows["texts"].flatten(0, 2)
        present, pose = question_loss(probes.ask(images, flat["asked"]), flat["present"], flat["poses"])
        truth = pair_truth(rows["ids"].flatten(0, 2), rows["truth"])
        return {
            "contrast": contrastive_loss(texts, images, truth, self.model.towers.logit_scale.exp()),
            "present": present,
            "pose": pose,
            "seen": label_loss(probes, images, flat["picture_labels"]),
            "told": label_loss(probes, texts, rows["text_labels"].flatten(0, 2)),
            "patches": patch_loss(probes, flat["states"], flat["patches"], flat["patch_poses"]),
            "attention": rows["missed"].sum() / rows["looked"].sum().clamp(min=1),
        }

    def after_step(self) -> None:
        with torch.no_grad():
            self.model.towers.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    def validate(self) -> dict[str, float]:
        encoder = ClipEncoder(
            "in-training",
            self.model.towers,
            ClipTokenizer(self._tokenizer, self._config.context),
            self._config.preprocessing,
            fingerprint="",
            device=self.model.towers.logit_scale.device,
        )
        if self._validation is None:
            self._validation = validation_set(encoder, self._config.validation_scenes)
        metrics = self._validation.measure(encoder)
        self.choose_trained()  # the encoder has frozen its towers
        return metrics

    def choose_trained(self) -> None:
        """Leave the frozen blocks without gradient."""
        self.model.requires_grad_(True)
        vision = self.model.towers.vision_model
        if self._config.frozen_blocks:
            for part in (vision.embeddings, vision.pre_layrnorm, *vision.encoder.layers[: self._config.frozen_blocks]):
                part.requires_grad_(False)

    def _collect(self, states: Tensor, covered: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The class token after the last block; how little it looks at objects in the blocks that collect, summed over
        heads; and the number of these heads."""
        missed = looked = states.new_zeros(len(states))
        for block in self.model.towers.vision_model.encoder.layers[self.trunk :]:
            assert isinstance(block, Block)
            misses, heads = attention_misses(block, states, covered)
            missed, looked = missed + misses, looked + heads
            states = block(states, False)
        return states[:, 0], missed, looked

    def _texts(self, ids: Tensor) -> Tensor:
        """Embed captions in two halves by length: padding costs as much as words."""
        lengths = (ids != self.model.towers.config.text_config.eos_token_id).sum(dim=1) + 1
        order = lengths.argsort()
        halves = [
            self.model.towers.embed_text(ids[rows, : int(lengths[rows].max())])[0].float() for rows in order.chunk(2)
        ]
        return torch.cat(halves)[order.argsort()]


def export_encoder(folder: Path, config: EncoderTrainingConfig, towers: ClipTowers, tokenizer: Tokenizer) -> None:
    """Write model.safetensors (float16), preprocessor_config.json, the tokenizer and check values.

    config.json comes last, and goes first where it was there: a folder that has one is complete but for the check
    values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.detach().cpu().half().contiguous() for name, tensor in towers.state_dict().items()}
    with replacing(folder / "model.safetensors") as unfinished:
        save_file(half, unfinished, metadata={"format": "pt"})
        for name in ("config.json", CHECK_FILE):
            (folder / name).unlink(missing_ok=True)
    _write_json(folder / "preprocessor_config.json", config.preprocessing.to_hugging_face())
    write_text_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": config.context},
    )
    _write_json(folder / "config.json", {**towers.config.to_hugging_face(), "torch_dtype": "float16"})
    write_check_values(load_encoder(folder), folder)


def _model_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The model's part of `last.safetensors`, or all of `best.safetensors`."""
    weights = load_file(checkpoint)
    whole = {name.removeprefix("model/"): value for name, value in weights.items() if name.startswith("model/")}
    return whole or weights


def _write_json(path: Path, document: dict[str, Any]) -> None:
    write_text_atomically(path, json.dumps(document, indent=2, sort_keys=True) + "\n")
