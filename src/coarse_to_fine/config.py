"""Reading a configuration file with overrides, strictly: an unknown key is an error that names the nearest one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from coarse_to_fine.arguments import require_kind, require_path, several, shown
from coarse_to_fine.config_problems import one_line
from coarse_to_fine.errors import ConfigError, UserError
from coarse_to_fine.shipped_configs import find_config

Model = TypeVar("Model", bound=BaseModel)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def load_config(model_class: type[Model], path: Path | str | None = None, overrides: Sequence[str] = ()) -> Model:
    """A validated configuration from a YAML file and `key=value` overrides.

    A nested section that names some keys keeps what `model_class` gives as default for the others: with a field
    `run: RunConfig = RunConfig(clip_norm=0.1)`, the override `run.epochs=2` leaves clip_norm at 0.1.

    Args:
        model_class: the pydantic model with `extra="forbid"`.
        path: YAML file with a mapping, or one that comes with the package (`configs/fine/...`); none: defaults only.
        overrides: `key=value` or `outer.inner=value`; the value is YAML (`1e-4`, `true`, `null`, `[1, 2]`, text).

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value is out of range; one line.
        UserError: an argument of another kind.
    """
    if not (isinstance(model_class, type) and issubclass(model_class, BaseModel)):
        raise UserError(f"model_class is {shown(model_class)}; expected the class of a configuration; give one")
    if path is not None:
        require_path(path, "the configuration")
    values = {} if path is None else read_yaml(find_config(path))
    for override in several(overrides, "overrides", "texts `key=value`"):
        require_kind(override, str, "an override", "a text `key=value`", "give it as a string")
        apply_override(values, override)
    source = str(path) if path is not None else "the configuration"
    return parse_config(model_class, _on_defaults(model_class, values), source)


def parse_config(model_class: type[Model], values: Mapping[str, Any], source: str = "the configuration") -> Model:
    """Validate a mapping; raises ConfigError with one line for all that is wrong."""
    try:
        return model_class.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{source}: {one_line(model_class, values, error)}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML ({reason}); expected `key: value` lines, correct the file") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds a {type(values).__name__}, expected `key: value` lines; correct the file")
    return {str(key): _numbers(value) for key, value in values.items()}


def apply_override(values: dict[str, Any], override: str) -> None:
    """Put one `outer.inner=value` into a nested mapping, in place."""
    name, sign, text = override.partition("=")
    keys = name.strip().split(".")
    if not sign or not all(keys):
        raise ConfigError(f"--set {override}: expected key=value, for instance --set learning_rate=1e-4")
    target = values
    for key in keys[:-1]:
        inner = target.get(key)
        inner = dict(inner) if isinstance(inner, Mapping) else {}
        target[key] = inner
        target = inner
    target[keys[-1]] = parse_value(text)


def parse_value(text: str) -> Any:
    """The value of an override: YAML, and text where that is not YAML."""
    try:
        return _numbers(yaml.safe_load(text))
    except yaml.YAMLError:
        return text


def _on_defaults(model_class: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with nested sections laid over the default of their field, where that is a configuration."""
    merged = dict(values)
    for name, field in model_class.model_fields.items():
        if isinstance(field.default, BaseModel) and isinstance(values.get(name), Mapping):
            merged[name] = _laid_over(field.default.model_dump(exclude_unset=True), values[name])
    return merged


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            merged[name] = _laid_over(below[name], above[name])
    return merged


def _numbers(value: Any) -> Any:
    """`1e-4` is text in YAML 1.1 and a number for everybody who writes it."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, dict):
        return {str(key): _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value
