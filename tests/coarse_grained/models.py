"""Small coarse models with random weights, and features for them."""

from __future__ import annotations

import torch
from torch import Tensor

from coarse_to_fine.coarse_grained import COARSE_MODELS
from coarse_to_fine.coarse_grained.base import CoarseModel

WIDTH, FRAMES = 32, 12
SMALL = {"embed_dim": WIDTH, "num_frames": FRAMES, "trials": 5, "prior_std": 0.5, "align_heads": 2}


def small_model(name: str, seed: int = 0, **fields: object) -> CoarseModel:
    """A listed model of small size; its parameters, if any, are moved away from their initial values."""
    model_class = COARSE_MODELS[name]
    known = model_class.config_class.model_fields
    wanted = {key: value for key, value in {**SMALL, **fields}.items() if key in known}
    model = model_class(model_class.config_class(**wanted))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def features(texts: int, videos: int, seed: int = 0, width: int = WIDTH) -> tuple[Tensor, Tensor]:
    """Independent random text and frame embeddings; the frames of a video resemble each other."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(texts, width, generator=generator)
    base = torch.randn(videos, 1, width, generator=generator)
    return text, base + torch.randn(videos, FRAMES, width, generator=generator)
