"""Loads the configuration file of a command; one that was given to the wrong command is told by what it configures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coarse_to_fine.config import Model, load_config, read_yaml
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.shipped_configs import find_config

COMMANDS = {
    "coarse": ("the training of a coarse model", "ctf train coarse"),
    "fine": ("the training of a fine model", "ctf train fine"),
    "encoder": ("the training of an encoder", "ctf train encoder"),
    "run": ("a whole experiment", "ctf run"),
}
"""Kind of a configuration -> what it decides, and the command that reads it."""


def load_of_kind(wanted: str, model_class: type[Model], path: Path, overrides: Sequence[str] | None) -> Model:
    """`load_config` of a file that is of the wanted kind; what is of no kind passes.

    Raises:
        ConfigError: it is of another kind, or as `load_config` says.
    """
    found = kind_of(read_yaml(find_config(path)))
    if found not in (None, wanted):
        (what, command), (expected, _) = COMMANDS[found], COMMANDS[wanted]
        raise ConfigError(f"{path} configures {what}; expected one of {expected}; give it to `{command}`")
    return load_config(model_class, path, overrides or ())


def kind_of(values: Mapping[str, Any]) -> str | None:
    """The kind of a configuration, by its keys and the model that it names; None: not recognised."""
    from coarse_to_fine.coarse_grained.load import COARSE_MODELS
    from coarse_to_fine.encoders.train import EncoderTrainingConfig
    from coarse_to_fine.fine_grained.load import FINE_MODELS

    recipe = values.get("recipe")
    if isinstance(recipe, Mapping):
        model = recipe.get("name")
        return "coarse" if model in COARSE_MODELS else "fine" if model in FINE_MODELS else None
    if "data" in values:
        return "run"
    return "encoder" if values.keys() & (EncoderTrainingConfig.model_fields.keys() - {"run"}) else None
