"""The first part of the training: the image tower alone learns what covers its patches, on pictures full of objects."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from coarse_to_fine.encoders.preprocessing import Preprocessing
from coarse_to_fine.encoders.pretraining.objectives import Probes, patch_loss
from coarse_to_fine.encoders.pretraining.samples import SceneSamples
from coarse_to_fine.encoders.towers import VisionTower
from coarse_to_fine.training import Batch, Losses, TrainingData, TrainingTask


class PatchModel(nn.Module):
    """An image tower and the heads that ask its patches."""

    def __init__(self, tower: VisionTower, probes: Probes) -> None:
        super().__init__()
        self.vision_model = tower
        self.probes = probes


class PatchTask(TrainingTask):
    """Kind, colour and pose at every patch; no text, no class token."""

    def __init__(
        self, tower: VisionTower, probes: Probes, data: TrainingData, preprocessing: Preprocessing, blocks: int
    ) -> None:
        """`blocks` is how many blocks of the tower learn; the patches are asked after the last of them."""
        self.model: PatchModel = PatchModel(tower, probes)
        self.data = data
        self._preprocessing, self._blocks = preprocessing, blocks

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        samples: SceneSamples = batch.data
        pixels = self._preprocessing.normalise(samples.pictures.flatten(0, 1))
        with sdpa_kernel(SDPBackend.MATH):
            states = self.model.vision_model.states(pixels, self._blocks)[:, 1:]  # (N F, P, W)
        facts, poses = samples.patches.flatten(0, 1), samples.patch_poses.flatten(0, 1)
        counts = batch.counts["covered"], batch.counts["bare"]
        return Losses(patch_loss(self.model.probes, states, facts, poses, counts))

    def validate(self) -> dict[str, float]:
        return {}
