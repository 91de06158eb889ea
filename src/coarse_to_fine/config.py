"""Reading a configuration file with overrides, strictly: an unknown key is an error that names the nearest one."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coarse_to_fine.arguments import require_path
from coarse_to_fine.errors import ConfigError
from coarse_to_fine.shipped_configs import find_config
from coarse_to_fine.spelling import nearest

Model = TypeVar("Model", bound=BaseModel)

_QUOTES = "'"
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
    """
    if path is not None:
        require_path(path, "the configuration")
    values = {} if path is None else read_yaml(find_config(path))
    for override in overrides:
        apply_override(values, override)
    source = str(path) if path is not None else "the configuration"
    return parse_config(model_class, _on_defaults(model_class, values), source)


def parse_config(model_class: type[Model], values: Mapping[str, Any], source: str = "the configuration") -> Model:
    """Validate a mapping; raises ConfigError with one line for all that is wrong."""
    try:
        return model_class.model_validate(dict(values))
    except ValidationError as error:
        problems = [_problem(model_class, values, item) for item in error.errors()]
        raise ConfigError(f"{source}: {'; '.join(dict.fromkeys(problems))}") from None


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


def _problem(model_class: type[BaseModel], values: Any, error: ErrorDetails) -> str:
    kind, location, context = error["type"], error["loc"], error.get("ctx", {})
    name = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        owner = _model_at(model_class, location[:-1])
        known = owner.model_fields if owner is not None else ()
        return f"unknown key {name!r}, {nearest(str(location[-1]), known)}"
    if kind == "union_tag_invalid":
        key = f"{name}.{context['discriminator'].strip(_QUOTES)}"
        tags = [tag.strip(_QUOTES) for tag in context["expected_tags"].split(", ")]
        return f"{key} is {context['tag']!r}, {nearest(context['tag'], tags)}"
    if kind == "union_tag_not_found":
        return f"the key '{name}.{context['discriminator'].strip(_QUOTES)}' is missing; add it"
    if kind == "missing" and isinstance(location[-1], int):
        return _wrong_list(model_class, values, location[:-1])
    if kind == "tuple_type" or (kind == "too_long" and context.get("field_type") == "Tuple"):
        return _wrong_list(model_class, values, location)
    message = error["msg"].removeprefix("Value error, ")
    if not name:
        return message
    if kind == "missing":
        return f"the key {name!r} is missing; add it"
    if kind in ("model_type", "model_attributes_type"):
        message = "expected `key: value` lines"
    return f"{name} is {_value_at(values, location)!r}: {message[:1].lower() + message[1:]}"


def _wrong_list(model_class: type[BaseModel], values: Any, location: tuple[int | str, ...]) -> str:
    """Of a value that should be a list, or one of another length."""
    owner = _model_at(model_class, location[:-1])
    field = owner.model_fields.get(str(location[-1])) if owner is not None else None
    length = _length_of(field.annotation) if field is not None else None
    expected = "a list" if length is None else f"a list of {length} values"
    return f"{'.'.join(map(str, location))} is {_value_at(values, location)!r}: expected {expected}"


def _length_of(annotation: Any) -> int | None:
    """Of a tuple of fixed length, or of one among several types."""
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        return None if Ellipsis in inner else len(inner)
    return next((length for one in inner if (length := _length_of(one)) is not None), None)


def _value_at(values: Any, location: tuple[int | str, ...]) -> Any:
    for part in location:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):  # the name of a branch of a union, not of a value
            continue
    return values


def _model_at(model_class: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model class that a location leads to; parts that are no field (list indices, union tags) are passed over."""
    current: list[type[BaseModel]] = [model_class]
    for part in location:
        tagged = [model for model in current if model.__name__ == part]
        if tagged:
            current = tagged
            continue
        inner = [
            found
            for model in current
            if isinstance(part, str) and part in model.model_fields
            for found in _models_in(model.model_fields[part].annotation)
        ]
        current = inner or current
    return current[0] if current else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    arguments = typing.get_args(annotation)
    if not arguments and isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for argument in arguments for found in _models_in(argument)]
