"""The errors of the package.

CtfError
├── UserError            a wrong argument, name, path or configuration (exit code 2)
│   ├── ConfigError      an unknown key, a value out of range
│   ├── DataError        an annotation, feature or prediction file that does not hold what it should
│   └── WeightsError     a checkpoint that is missing, unsafe or of another model
├── VideoError           a file from which no frame can be had
├── LibraryError         a library that cannot be opened, locked or written
│   └── FingerprintError features made by another encoder or another sampling
└── TrainingError        a loss that is not finite, a checkpoint that does not continue this run

Every message has three parts: what was received, what was expected, what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CtfError(Exception):
    """Base of all errors that a caller can cause and may want to catch."""


class UserError(CtfError):
    """A wrong argument, name, path or configuration."""


class ConfigError(UserError):
    """A configuration with an unknown key or a value out of range."""


class DataError(UserError):
    """An annotation, feature or prediction file that does not hold what it should."""


class WeightsError(UserError):
    """A checkpoint that is missing, unsafe to read, or of another model."""


class VideoError(CtfError):
    """A file from which no frame can be had; the message is one line without the path."""


@contextmanager
def naming_video(path: str | Path) -> Iterator[None]:
    """Puts the path before what a `VideoError` says, where a reader cannot know which file it is about."""
    try:
        yield
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error


class LibraryError(CtfError):
    """A library that cannot be opened, locked or written."""


class FingerprintError(LibraryError):
    """Stored features were made by another encoder or another sampling."""


class TrainingError(CtfError):
    """Training cannot go on: a loss is not finite, or a checkpoint does not continue this run."""
