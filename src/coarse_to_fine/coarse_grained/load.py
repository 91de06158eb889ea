"""The coarse models by name, and loading one with its weights."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.mean_pool.model import MeanPool
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass_v2.model import TMassV2
from coarse_to_fine.model_folders import load_by_name

COARSE_MODELS: dict[str, type[CoarseModel]] = {
    MeanPool.name: MeanPool,
    TMass.name: TMass,
    TMassV2.name: TMassV2,
}
"""Every coarse model by the name that users type."""


def load_coarse(
    name_or_folder: str | Path,
    weights: str | Path | None = None,
    encoder: str | None = None,
    device: str = "cpu",
) -> CoarseModel:
    """A coarse model in eval mode; arguments and errors as for `model_folders.load_by_name`."""
    return load_by_name("coarse", COARSE_MODELS, name_or_folder, weights, encoder, device)
