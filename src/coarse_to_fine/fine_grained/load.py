"""The fine models by name, and loading one with its weights."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.similarity.model import Similarity
from coarse_to_fine.model_folders import load_by_name

FINE_MODELS: dict[str, type[FineModel]] = {
    Similarity.name: Similarity,
    QdDetr.name: QdDetr,
    Mesm.name: Mesm,
}
"""Every fine model by the name that users type."""


def load_fine(
    name_or_folder: str | Path,
    weights: str | Path | None = None,
    encoder: str | None = None,
    device: str = "cpu",
) -> FineModel:
    """A fine model in eval mode; arguments and errors as for `model_folders.load_by_name`."""
    return load_by_name("fine", FINE_MODELS, name_or_folder, weights, encoder, device)
