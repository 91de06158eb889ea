"""Numbers and names of things as messages say them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number of things in words; `many` where it is not `one` with an s.

    Example:
        >>> counted(1, "query", "queries"), counted(3, "video")
        ('1 query', '3 videos')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def first_of(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, and dots where there are more.

    Example:
        >>> first_of(["a", "b"], 2), first_of(["a", "b", "c"], 2)
        ('a, b', 'a, b, ...')
    """
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def as_folder(path: Path) -> str:
    """A path as commands take a folder: a bare name such as `world` could mean something else.

    Example:
        >>> as_folder(Path("world")), as_folder(Path("sets/world"))
        ('./world', 'sets/world')
    """
    return f"./{path}" if len(path.parts) == 1 and not path.is_absolute() else str(path)


def why(error: Exception) -> str:
    """What went wrong in one line; of an error of the system its words, without number and path.

    Example:
        >>> why(FileNotFoundError(2, "No such file or directory", "a.txt")), why(ValueError("line 1\\nis odd"))
        ('No such file or directory', 'line 1 is odd')
    """
    said = error.strerror if isinstance(error, OSError) else None
    return said or " ".join(str(error).split()) or type(error).__name__
