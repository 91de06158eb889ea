"""Arguments of another kind than expected, refused in one line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral
from types import UnionType
from typing import TypeVar

from coarse_to_fine.errors import UserError

Item = TypeVar("Item")
LONGEST = 60
WRITTEN = (str, bytes, bool, int, float, list, tuple, set, frozenset, dict, os.PathLike, type(None))
"""Values that a message shows as they are written; of others it names the type."""


def shown(value: object) -> str:
    """A value as a message names it.

    Example:
        >>> shown(None), shown("a dog"), shown(dict), shown(object())
        ('None', "'a dog'", 'the class dict', 'of type object')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if not isinstance(value, WRITTEN):
        return f"of type {type(value).__name__}"
    if isinstance(value, str):
        return repr(value)
    text = " ".join(repr(value).split())  # of what is inside, some have many lines
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def described(given: object) -> str:
    """What a model or an encoder gave as a message names it: a tensor by its shape.

    Example:
        >>> described(None)
        'a value None'
    """
    from torch import Tensor  # slow to load, and paths and numbers are checked without it

    return f"a tensor of shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a value {shown(given)}"


def require_kind(given: object, kind: type | UnionType, name: str, expected: str, step: str) -> None:
    """Raise unless an argument is an object of a type; a class that has all of a protocol is none.

    Raises:
        UserError: it is not.
    """
    if isinstance(given, type) or not isinstance(given, kind):
        raise UserError(f"{name} is {shown(given)}; expected {expected}; {step}")


def require_path(given: object, name: str, step: str = "give its path as text or as a Path") -> None:
    """Raise unless an argument is a path.

    Raises:
        UserError: it is none, or one of bytes.
    """
    is_path = isinstance(given, str) or (isinstance(given, os.PathLike) and isinstance(os.fspath(given), str))
    if not is_path:
        raise UserError(f"{name} is {shown(given)}; expected a path; {step}")


def require_whole(**numbers: object) -> None:
    """Raise unless all are whole numbers.

    Raises:
        UserError: one is not.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise UserError(f"{name} is {shown(number)}; expected a whole number; give one such as 5")


def require_positive(**counts: int) -> None:
    """Raise unless all are whole numbers above 0.

    Raises:
        UserError: one is not.
    """
    require_whole(**counts)
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"{name} is {count}; expected 1 or more")


def require_function(given: object, name: str, of: str) -> None:
    """Raise unless an argument can be called, or is None.

    Raises:
        UserError: it cannot.
    """
    if given is not None and not callable(given):
        raise UserError(f"{name} is {shown(given)}; expected a function of {of}; give one, or leave it out")


def require_seed(seed: int) -> None:
    """Raise unless a generator of PyTorch can start from this.

    Raises:
        UserError: it is no whole number, or one of more than 64 bits.
    """
    require_whole(seed=seed)
    if not -(2**63) <= seed < 2**64:
        raise UserError(f"seed is {seed}; expected a whole number of at most 64 bits; give one such as 5")


def several(given: Iterable[Item], name: str, expected: str) -> list[Item]:
    """The items of an argument that holds several.

    Raises:
        UserError: it is one text, or holds nothing that can be gone through.
    """
    if isinstance(given, str | bytes):
        raise UserError(f"{name} is the text {given!r}; expected {expected}; put it into a list: [{given!r}]")
    if isinstance(given, type) or not isinstance(given, Iterable):
        raise UserError(f"{name} is {shown(given)}; expected {expected}; give a list")
    return list(given)
