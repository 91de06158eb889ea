"""Numbers and names of things as messages say them."""

from __future__ import annotations

from collections.abc import Sequence


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
