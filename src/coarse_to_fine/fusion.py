"""Joins the scores of the two stages into the one that ranks moments across videos.

S = alpha * log p(video) + (1 - alpha) * log(confidence), with p(video) the softmax of the coarse scores / temperature
over the candidate videos of the query. exp(S) is a weighted geometric mean of two probabilities, so it lies in [0, 1].
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field, ValidationError
from torch import Tensor

from coarse_to_fine.arguments import require_path
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.frozen_config import FrozenConfig
from coarse_to_fine.model_folders import BUNDLED
from coarse_to_fine.wording import why


class FusionConfig(FrozenConfig):
    """Weight and temperature of the fusion; chosen on a validation split and stored beside the stage models."""

    alpha: float = Field(default=0.5, ge=0, le=1, description="weight of the coarse stage, 0 = fine stage alone")
    temperature: float = Field(default=0.05, gt=0, description="what coarse scores (cosines) are divided by")


def video_log_probability(scores: Float[Tensor, " K"], temperature: float) -> Float[Tensor, " K"]:
    """Log softmax of coarse scores over the candidate videos of one query."""
    return torch.log_softmax(scores / temperature, dim=-1)


def fuse(
    video_log_p: Float[Tensor, " N"], confidence: Float[Tensor, " N"], config: FusionConfig
) -> Float[Tensor, " N"]:
    """exp(alpha * log p(video) + (1 - alpha) * log confidence) for N moments, in [0, 1]."""
    log_confidence = confidence.clamp(min=1e-12).log()
    return torch.exp(config.alpha * video_log_p + (1 - config.alpha) * log_confidence)


def read_fusion(path: str | Path) -> FusionConfig:
    """A stored weight and temperature.

    Raises:
        ConfigError: the file does not hold them.
    """
    require_path(path, "the fusion")
    try:
        return FusionConfig.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path}: {why(error)}; expected alpha and temperature; make it with: ctf train fusion"
        ) from None


def bundled_fusion(coarse: str, fine: str) -> FusionConfig:
    """What was chosen on the world's validation split for two bundled models, by name; the defaults for others."""
    path = BUNDLED / f"fusion-{coarse}-{fine}.json"
    return read_fusion(path) if path.is_file() else FusionConfig()
