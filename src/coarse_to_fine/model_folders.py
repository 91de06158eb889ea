"""Trained models on disk: a folder with `config.json` (model name, architecture, origin) and `model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from coarse_to_fine import __version__
from coarse_to_fine.arguments import require_kind, require_path, shown
from coarse_to_fine.atomic_files import replacing, write_text_atomically
from coarse_to_fine.devices import resolve_device
from coarse_to_fine.errors import UserError, WeightsError
from coarse_to_fine.modes import building, undisturbed
from coarse_to_fine.recipes import Recipe
from coarse_to_fine.spelling import did_you_mean
from coarse_to_fine.tensor_files import require_utf8, unshared

BUNDLED = Path(__file__).parent / "bundled"
BUNDLED_ENCODER = "tiny-world"
FORMAT = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
MODEL_FOLDER = "model"
"""Of a training run: holds the model with its best weights."""


Model = TypeVar("Model", bound="StoredModel")
Config = TypeVar("Config", bound=BaseModel)


class StoredModel(nn.Module):
    """What a model needs to be stored: a name, and an architecture from which alone it is built, `Model(config)`.

    `origin` holds JSON values about how loaded weights came to be; nothing for a model that was not loaded. A
    `training_free` model has no weights that must be found.
    """

    name: ClassVar[str]
    training_free: ClassVar[bool] = False
    config_class: ClassVar[type[BaseModel]]
    config: BaseModel
    origin: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def checked_config(cls, given: Config) -> Config:
        """What this model is built from, if it is that.

        Raises:
            UserError: it is no `config_class`.
        """
        wanted = cls.config_class.__name__
        step = f"make one: {cls.__name__}({wanted}(...))"
        require_kind(given, cls.config_class, f"the architecture of {cls.name!r}", f"a {wanted}", step)
        return given

    @classmethod
    def recipe_class(cls) -> type[Recipe] | None:
        """How this model stands in a training configuration; None: it is not trained. Imported when asked for."""
        return None

    @classmethod
    def from_pretrained(
        cls: type[Model],
        name_or_folder: str | Path,
        *,
        allow_download: bool = False,
        cache_dir: str | Path | None = None,
    ) -> Model:
        """This model from a folder or from a model hub's local copy; see `hub.from_pretrained`."""
        from coarse_to_fine import hub

        return hub.from_pretrained(cls, name_or_folder, allow_download=allow_download, cache_dir=cache_dir)

    def save_pretrained(self, folder: str | Path, *, half: bool = False) -> Path:
        """Write this model with a card, ready for a model hub; see `hub.save_pretrained`."""
        from coarse_to_fine import hub

        return hub.save_pretrained(self, folder, half=half)


@undisturbed()
def load_by_name(
    stage: str,
    models: Mapping[str, type[Model]],
    name_or_folder: str | Path,
    weights: str | Path | None = None,
    encoder: str | None = None,
    device: str = "cpu",
) -> Model:
    """A model of one stage in eval mode.

    Args:
        stage: `coarse` or `fine`, for messages.
        models: the stage's models by name.
        name_or_folder: a name of `models`, or a folder of a stored model.
        weights: the folder with the weights of a named model; None takes the bundled ones, which fit one encoder.
        encoder: name of the encoder that features come from; used to refuse bundled weights made for another.
        device: where the model is put.

    Raises:
        ConfigError: no such device here.
        UserError: an unknown name.
        WeightsError: no weights for this model and encoder, or a folder that holds something else.
    """
    require_path(name_or_folder, f"the {stage} model", "give a name or the path of a folder")
    if weights is not None:
        require_path(weights, "the folder of weights")
    place = resolve_device(device)
    name, known = str(name_or_folder), ", ".join(models)
    if name in models and weights is None and models[name].training_free:
        return models[name](models[name].config_class()).eval().to(place)
    if weights is not None:
        folder = Path(weights)
    elif name in models:
        free = next(one.name for one in models.values() if one.training_free)
        folder = _bundled_folder(name, encoder, free)
    else:
        folder = Path(name)
        if not (folder / CONFIG_FILE).is_file():
            own = stored_model_at(folder)
            near = f"did you mean '{own}'?" if own is not None else did_you_mean(name, models) or "check the name"
            raise UserError(
                f"no {stage} model {name!r}, expected one of {known} or a folder with {CONFIG_FILE}; {near}"
            )
    document = read_document(folder)
    stored = document["model"]
    if stored not in models:
        raise WeightsError(
            f"{folder} holds a model {stored!r}, expected one of {known}; use another folder, or give a model of your "
            "own as an object: CLASS.from_pretrained(FOLDER)"
        )
    if name in models and stored != name:
        raise WeightsError(f"{folder} holds a {stored} model, expected {name}; use another folder or name")
    return build(models[stored], document, folder).to(place)


def stored_model_at(folder: Path) -> Path | None:
    """The stored model that a folder is, or the one that a training run keeps in it; None where there is neither."""
    for candidate in (folder, folder / MODEL_FOLDER):
        try:
            read_document(candidate)
        except WeightsError:
            continue
        return candidate
    return None


def _bundled_folder(name: str, encoder: str | None, training_free: str) -> Path:
    folder = BUNDLED / f"{name}-world"
    if encoder not in (None, BUNDLED_ENCODER) or not (folder / CONFIG_FILE).is_file():
        raise WeightsError(
            f"no bundled weights of {name} for the encoder {encoder or BUNDLED_ENCODER}, expected a folder of weights "
            f"trained on its features; give that folder, or use the training-free {training_free!r}"
        )
    return folder


def save_model(
    model: StoredModel, folder: str | Path, half: bool = False, origin: Mapping[str, Any] | None = None
) -> None:
    """Write a model; a folder that has a config file is complete.

    The config file of a model that was there goes before its weights do, and the new one comes last. An error before
    that, such as a full disk, leaves the model that was there.

    Args:
        model: any model of either stage; one without parameters gets an empty weights file.
        folder: made where absent.
        half: store float16, which loading widens again.
        origin: JSON values about how the weights came to be (encoder, run, source file).

    Raises:
        UserError: the model has no configuration.
    """
    require_config(model)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dtype = torch.float16 if half else torch.float32
    state = {
        name: (value.to(dtype) if value.is_floating_point() else value) for name, value in model.state_dict().items()
    }
    with replacing(folder / WEIGHTS_FILE) as unfinished:
        save_file(unshared(state), unfinished, metadata={"format": "pt"})
        (folder / CONFIG_FILE).unlink(missing_ok=True)
    document = {
        "format": FORMAT,
        "model": model.name,
        "config": model.config.model_dump(mode="json"),
        "origin": dict(origin or {}),
        "created_by": f"coarse-to-fine {__version__}",
    }
    write_text_atomically(folder / CONFIG_FILE, json.dumps(document, indent=2) + "\n")


def require_config(model: StoredModel) -> None:
    """Raise unless a model, which may be one of the caller's own, has what it is built from when it is read again.

    Raises:
        UserError: its `config` is no object of its `config_class`.
    """
    wanted, config = getattr(model, "config_class", None), getattr(model, "config", None)
    if wanted is None or not isinstance(config, wanted):
        raise UserError(
            f"the model {model.name!r} has the config_class {shown(wanted)} and the config {shown(config)}; expected "
            "a configuration and an object of it, from which it is built again; set both in its class"
        )


def save_trained(model: StoredModel, folder: str | Path, origin: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """`save_model`, and what the run reached beside it in `training.json`."""
    save_model(model, folder, origin=origin)
    write_text_atomically(Path(folder) / "training.json", json.dumps(dict(report), indent=2) + "\n")


def read_document(folder: str | Path) -> dict[str, Any]:
    """The config file of a stored model.

    Raises:
        WeightsError: it is missing, not JSON, or of another format.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        inner = Path(folder) / MODEL_FOLDER
        step = f"did you mean '{inner}'?" if (inner / CONFIG_FILE).is_file() else "import or train a model into it"
        raise WeightsError(
            f"no {CONFIG_FILE} in {folder}, expected a folder with {CONFIG_FILE} and {WEIGHTS_FILE}; {step}"
        ) from error
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read as JSON ({_one_line(error)}); expected a stored model; write it again"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT or "model" not in document:
        raise WeightsError(
            f"{path} is not a model of format {FORMAT}; expected a folder written by this package; "
            "import or train the model again"
        )
    return document


@building()
def build(model_class: type[Model], document: Mapping[str, Any], folder: str | Path) -> Model:
    """The model that a config file describes, with the weights of its folder, in eval mode.

    Raises:
        WeightsError: the architecture is not valid, or the tensors are not those of the architecture.
    """
    try:
        config = model_class.config_class.model_validate(document["config"])
    except (ValidationError, KeyError) as error:
        raise WeightsError(
            f"{Path(folder) / CONFIG_FILE} does not describe a {model_class.name} model ({_one_line(error)}); "
            "expected the fields of this version; use the version of the package that wrote it"
        ) from error
    model = model_class(config)
    load_strict(model, read_tensors(Path(folder) / WEIGHTS_FILE), str(folder))
    model.origin = dict(document.get("origin") or {})
    return model.eval()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, float16 widened to float32.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    require_utf8(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"cannot read {path} ({_one_line(error)}); expected a safetensors file; copy it again"
        ) from error
    return {name: value.to(torch.float32) if value.is_floating_point() else value for name, value in state.items()}


def load_strict(model: StoredModel, state: Mapping[str, Tensor], source: str) -> None:
    """Load tensors by exact name and shape.

    Raises:
        WeightsError: unknown, missing or misshaped tensors, each named.
    """
    if problems := misfits(state, model.state_dict()):
        raise WeightsError(
            f"{source} does not hold the tensors of {model.name}: {shortened(problems)}; expected those of its "
            "architecture; use a checkpoint of this model"
        )
    model.load_state_dict(dict(state))


def misfits(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Tensors that are missing, unknown or misshaped beside the expected ones, each named."""
    problems = [f"missing {name}" for name in sorted(expected.keys() - state.keys())]
    problems += [f"unknown {name}" for name in sorted(state.keys() - expected.keys())]
    problems += [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & state.keys())
        if state[name].shape != expected[name].shape
    ]
    return problems


def shortened(problems: list[str], shown: int = 12) -> str:
    """A list for one line of an error; of a long one the first entries and how many more there are."""
    more = f" and {len(problems) - shown} more" if len(problems) > shown else ""
    return "; ".join(problems[:shown]) + more


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
