"""The training of both towers: captions against frames, questions about objects and about patches."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from coarse_to_fine.data_generation.world.vocabulary import KINDS
from coarse_to_fine.encoders.clip import ClipEncoder
from coarse_to_fine.encoders.config import ClipConfig
from coarse_to_fine.encoders.pretraining.aggregator import start_collecting
from coarse_to_fine.encoders.pretraining.config import EncoderTrainingConfig
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
from coarse_to_fine.encoders.pretraining.samples import SceneSamples, WorldFrames
from coarse_to_fine.encoders.pretraining.validation import MEASURES, ValidationSet, validation_set
from coarse_to_fine.encoders.tokenizer import ClipTokenizer
from coarse_to_fine.encoders.towers import Block, ClipTowers, initialise
from coarse_to_fine.training import Batch, ContrastiveTask, Losses, TrainingData

KNOWN = ("truth", "asked", "present", "poses", "patches", "patch_poses", "picture_labels", "text_labels")
"""What is known of the pictures and sentences of a batch; see `SceneSamples`."""

MAX_LOGIT_SCALE = 4.6052
STATISTICS_PICTURES = 300


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
