"""What is wrong with the values of a configuration, in one line."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coarse_to_fine.arguments import shown
from coarse_to_fine.spelling import nearest

_QUOTES = "'"


def one_line(
    model_class: type[BaseModel], values: Any, error: ValidationError, section: str = "`key: value` lines"
) -> str:
    """All problems of values that a configuration refused, each once.

    Args:
        model_class: the configuration.
        values: what it was given.
        error: what pydantic says about them.
        section: how a nested configuration is written where the values come from.
    """
    return "; ".join(dict.fromkeys(_problem(model_class, values, item, section) for item in error.errors()))


def _problem(model_class: type[BaseModel], values: Any, error: ErrorDetails, section: str) -> str:
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
        message = f"expected {section}"
    return f"{name} is {shown(_value_at(values, location))}: {message[:1].lower() + message[1:]}"


def _wrong_list(model_class: type[BaseModel], values: Any, location: tuple[int | str, ...]) -> str:
    """Of a value that should be a list, or one of another length."""
    owner = _model_at(model_class, location[:-1])
    field = owner.model_fields.get(str(location[-1])) if owner is not None else None
    length = _length_of(field.annotation) if field is not None else None
    expected = "a list" if length is None else f"a list of {length} values"
    return f"{'.'.join(map(str, location))} is {shown(_value_at(values, location))}: expected {expected}"


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
