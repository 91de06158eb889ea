"""The fine models by name, and loading one with its weights."""

from __future__ import annotations

from pathlib import Path

from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.fine_grained.base import FineModel
from coarse_to_fine.fine_grained.mesm.locate import Mesm
from coarse_to_fine.fine_grained.qd_detr.locate import QdDetr
from coarse_to_fine.fine_grained.similarity.model import Similarity
from coarse_to_fine.model_folders import CONFIG_FILE, build, read_document

FINE_MODELS: dict[str, type[FineModel]] = {
    Similarity.name: Similarity,
    QdDetr.name: QdDetr,
    Mesm.name: Mesm,
}

BUNDLED = Path(__file__).parent.parent / "bundled"
BUNDLED_ENCODER = "tiny-world"


def load_fine(
    name_or_folder: str | Path,
    weights: str | Path | None = None,
    encoder: str | None = None,
    device: str = "cpu",
) -> FineModel:
    """A fine model in eval mode.

    Args:
        name_or_folder: a name of `FINE_MODELS`, or a folder of a stored model.
        weights: the folder with the weights of a named model; None takes the bundled ones, which fit one encoder.
        encoder: name of the encoder that features come from; used to refuse bundled weights made for another.
        device: where the model is put.

    Raises:
        UserError: an unknown name.
        WeightsError: no weights for this model and encoder, or a folder that holds something else.
    """
    name = str(name_or_folder)
    if name in FINE_MODELS and weights is None and not _has_weights(FINE_MODELS[name]):
        return FINE_MODELS[name](FINE_MODELS[name].config_class()).eval().to(device)
    folder = Path(weights) if weights is not None else _default_folder(name, encoder)
    document = read_document(folder)
    if document["model"] not in FINE_MODELS:
        raise WeightsError(
            f"{folder} holds a model {document['model']!r}, expected one of {_known()}; use another folder"
        )
    if name in FINE_MODELS and document["model"] != name:
        raise WeightsError(f"{folder} holds a {document['model']} model, expected {name}; use another folder or name")
    return build(FINE_MODELS[document["model"]], document, folder).to(device)


def _default_folder(name: str, encoder: str | None) -> Path:
    if name not in FINE_MODELS:
        folder = Path(name)
        if not (folder / CONFIG_FILE).is_file():
            raise UserError(
                f"no fine model {name!r}, expected one of {_known()} or a folder with {CONFIG_FILE}; check the name"
            )
        return folder
    folder = BUNDLED / f"{name}-world"
    if encoder not in (None, BUNDLED_ENCODER) or not (folder / CONFIG_FILE).is_file():
        raise WeightsError(
            f"no bundled weights of {name} for the encoder {encoder or BUNDLED_ENCODER}, expected a folder of weights "
            f"trained on its features; give that folder, or use the training-free {Similarity.name!r}"
        )
    return folder


def _has_weights(model_class: type[FineModel]) -> bool:
    return model_class is not Similarity


def _known() -> str:
    return ", ".join(FINE_MODELS)
