"""The coarse models by name, and loading one with its weights."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.coarse_grained.base import CoarseModel
from coarse_to_fine.coarse_grained.mean_pool.model import MeanPool
from coarse_to_fine.coarse_grained.t_mass.model import TMass
from coarse_to_fine.coarse_grained.t_mass_v2.model import TMassV2
from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.model_folders import CONFIG_FILE, build, read_document

COARSE_MODELS: dict[str, type[CoarseModel]] = {
    MeanPool.name: MeanPool,
    TMass.name: TMass,
    TMassV2.name: TMassV2,
}
"""Every coarse model by the name that users type."""

TRAINING_FREE = frozenset({MeanPool.name})
BUNDLED = Path(__file__).parent.parent / "bundled"
BUNDLED_ENCODER = "tiny-world"


def load_coarse(
    name_or_folder: str | Path,
    weights: str | Path | None = None,
    encoder: str | None = None,
    device: str = "cpu",
) -> CoarseModel:
    """A coarse model in eval mode.

    Args:
        name_or_folder: a name of `COARSE_MODELS`, or a folder of a stored model.
        weights: the folder with the weights of a named model; None takes the bundled ones, which fit one encoder.
        encoder: name of the encoder that features come from; used to refuse bundled weights made for another.
        device: where the model is put.

    Raises:
        UserError: an unknown name.
        WeightsError: no weights for this model and encoder, or a folder that holds something else.
    """
    name = str(name_or_folder)
    if name in TRAINING_FREE and weights is None:
        return COARSE_MODELS[name]().eval().to(device)
    folder = Path(weights) if weights is not None else _default_folder(name, encoder)
    document = read_document(folder)
    stored = document["model"]
    if stored not in COARSE_MODELS:
        raise WeightsError(f"{folder} holds a model {stored!r}, expected one of {_known()}; use another folder")
    if name in COARSE_MODELS and stored != name:
        raise WeightsError(f"{folder} holds a {stored} model, expected {name}; use another folder or name")
    return build(COARSE_MODELS[stored], document, folder).to(device)


def _default_folder(name: str, encoder: str | None) -> Path:
    if name not in COARSE_MODELS:
        if not (Path(name) / CONFIG_FILE).is_file():
            raise UserError(
                f"no coarse model {name!r}, expected one of {_known()} or a folder with {CONFIG_FILE}; check the name"
            )
        return Path(name)
    folder = BUNDLED / f"{name}-world"
    if encoder not in (None, BUNDLED_ENCODER) or not (folder / CONFIG_FILE).is_file():
        raise WeightsError(
            f"no bundled weights of {name} for the encoder {encoder or BUNDLED_ENCODER}, expected a folder of weights "
            f"trained on its features; give that folder, or use the training-free {MeanPool.name!r}"
        )
    return folder


def _known() -> str:
    return ", ".join(COARSE_MODELS)
